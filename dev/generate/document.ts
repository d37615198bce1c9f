/** Writes parts of documents that follow from code, in the form that the formatter leaves as it is. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../lib/root.ts';

/** A table with columns of even width. Cells hold no `|`. */
export function markdownTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = header.map((name, column) =>
    Math.max(3, name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lineOf = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`;
  return [
    lineOf(header),
    lineOf(widths.map((width) => '-'.repeat(width))),
    ...rows.map(lineOf),
  ].join('\n');
}

/**
 * Puts `text` between the lines `<!-- name:begin -->` and `<!-- name:end -->` of a document.
 * @throws if the document does not have them.
 */
export function replaceBetween(document: string, name: string, text: string): void {
  const path = join(PACKAGE_ROOT, document);
  const before = readFileSync(path, 'utf8');
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${document} has no lines ${begin} and ${end}`);
  const head = before.slice(0, from + begin.length);
  writeFileSync(path, `${head}\n\n${text}\n\n${before.slice(to)}`);
}
