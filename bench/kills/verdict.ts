/** After the kills: does every database start, and is every acknowledged row there? */
import { setTimeout as delay } from 'node:timers/promises';
import { within, openSession } from './session.ts';

const START_MS_MAX = 60_000;
const QUERY_MS_MAX = 30_000;
const PAUSE_MS = 250;

/** Reads all numbers; the database may be recovering. @returns undefined if it never answered. */
async function readNumbers(url: string): Promise<ReadonlySet<number> | undefined> {
  const deadline = Date.now() + START_MS_MAX;
  for (;;) {
    try {
      const client = await openSession(url, 'kills verdict');
      try {
        const query = client.query('select n from numbered');
        const { rows } = await within(QUERY_MS_MAX, query);
        return new Set(rows.map((row) => Number(row[0])));
      } finally {
        await within(1_000, client.end()).catch(() => undefined);
      }
    } catch {
      if (Date.now() > deadline) return undefined;
      await delay(PAUSE_MS);
    }
  }
}

export interface Verdict {
  readonly lost: number;
  readonly starts: boolean;
}

/** A database that never starts has lost all its rows, but is counted as `unstartable`. */
export async function judge(url: string, acknowledged: readonly number[]): Promise<Verdict> {
  const found = await readNumbers(url);
  if (found === undefined) return { lost: 0, starts: false };
  return { lost: acknowledged.filter((n) => !found.has(n)).length, starts: true };
}
