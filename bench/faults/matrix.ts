/**
 * What `docs/failure-matrix.md` says: of each line the last time it was measured, since all of them take longer
 * than most machines are left alone. Pure.
 */
import type { Cell } from './judge.ts';
import type { Measured } from './measure.ts';
import { VERBS } from './verbs.ts';

function textOf({ word, held, ratio, failed, n, why }: Cell): string {
  if (word === 'free') return '–';
  if (n === 0) return `${word}: not measured`;
  const figure = Number.isNaN(ratio) ? '' : ` ${ratio.toFixed(2)}`;
  const mark = held ? '' : ` **broken**: ${why}`;
  const isRefusal = word === 'refused' || word === 'held';
  return `${word}${figure}${failed > 0 && !isRefusal ? `, ${failed} failed` : ''}${mark}`;
}

/** Cells with a promise, and those that broke it; a line's first seconds and its end count as cells. */
export function countCells(all: readonly Measured[]): { cells: number; broken: number } {
  let [cells, broken] = [0, 0];
  for (const { cells: of, early, afterwards } of all) {
    for (const verb of VERBS) {
      if (of[verb].word === 'free' || of[verb].n === 0) continue;
      cells += 1;
      if (!of[verb].held) broken += 1;
    }
    cells += 2;
    broken += Number(early.length > 0) + Number(afterwards.length > 0);
  }
  return { cells, broken };
}

export interface MatrixFacts {
  readonly takenAt: string;
  readonly times: number;
  readonly namespaces: boolean;
}

/** Cells by the name of the line, which is the first of them. */
export type Rows = ReadonlyMap<string, readonly string[]>;

const HEAD = ['lost', ...VERBS, 'first seconds', 'afterwards', 'measured'];

export function rowOf(measured: Measured, facts: MatrixFacts): readonly string[] {
  const { line, cells, early, afterwards } = measured;
  return [
    line,
    ...VERBS.map((verb) => textOf(cells[verb])),
    early.length === 0 ? 'all succeeded' : `**${early.length} failed**: ${early[0]}`,
    afterwards.length === 0 ? 'as it must be' : `**${afterwards.length} wrong**: ${afterwards[0]}`,
    `${facts.takenAt}, ${facts.times} rounds${facts.namespaces ? '' : ', not as root'}`,
  ].map((cell) => cell.replaceAll('|', '/'));
}

/** The rows of a page; none if its columns are others. */
export function rowsOf(page: string): Rows {
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
  const [head = [], , ...rest] = rows;
  if (head.join('|') !== HEAD.join('|')) return new Map();
  return new Map(rest.map((cells) => [cells[0] ?? '', cells]));
}

/** @param order of the lines; of others there is no row. */
export function matrixText(rows: Rows, order: readonly string[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const body = order.map((name) => rows.get(name)).filter((cells) => cells !== undefined);
  return `# What is lost, and what goes on

Written by \`npm run faults -- --write\`, line by line as each was measured, every verb once a round, by
real processes: two apis, two proxies, three hosts in PID and IPC namespaces of their own on one machine of two
cores, beside a stack without trouble, in turns.

\`same\`: all succeed, p95 within 1.25 times the undisturbed. \`degraded\`: all succeed, p50 within twice.
\`refused\`: a typed error that says to try again, within a second. \`held\`: 57P03 from the proxy within
its hold and a second; in one round of ten. \`–\`: nothing is promised. The number is the ratio of that quantile. A cell is broken if one failed, or if the lower 95 % bound of the ratio
(bootstrap) is above the promise, twice. Words hold 3 s after the loss (5 s where the apis restart as well,
10 s where a host is gone); until then everything is to succeed within the caller's 5 s, but for connections to
what ran on a host that is gone.

${[HEAD, HEAD.map(() => '---'), ...body].map(line).join('\n')}
`;
}
