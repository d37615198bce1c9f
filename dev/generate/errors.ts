/** Writes the table of docs/errors.md from the closed table of errors. */
import { ERRORS } from '../../model/errors.ts';
import { markdownTable, replaceBetween } from './document.ts';

const rows = Object.entries(ERRORS).map(([code, kind]) => [
  `\`${code}\``,
  String(kind.status),
  kind.sqlstate,
  kind.retryable ? 'yes' : 'no',
  kind.message,
]);

replaceBetween(
  'docs/errors.md',
  'errors',
  markdownTable(['code', 'HTTP', 'SQLSTATE', 'retryable', 'message'], rows),
);
