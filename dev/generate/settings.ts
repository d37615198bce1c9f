/** Writes the table of docs/settings.md from the declarations of lib/config*.ts. */
import { ALL_KEYS } from '../../lib/config-management.ts';
import { markdownTable, replaceBetween } from './document.ts';

type Default = string | number | readonly string[] | Readonly<Record<string, string | number>>;

/** A default as one would write it into the environment. */
function defaultOf(fallback: Default): string {
  if (fallback === '') return 'empty';
  if (typeof fallback !== 'object') return `\`${fallback}\``;
  const parts = Array.isArray(fallback)
    ? fallback
    : Object.entries(fallback).map(([name, value]) => `${name}=${value}`);
  return `\`${parts.join(',')}\``;
}

const rows = Object.entries(ALL_KEYS).map(([name, key]) => [
  `\`${name}\``,
  'fallback' in key ? defaultOf(key.fallback) : 'must be set',
  `${key.help}${'secret' in key ? ' (secret)' : ''}`,
]);

replaceBetween(
  'docs/settings.md',
  'settings',
  markdownTable(['setting', 'default', 'meaning'], rows),
);
