/**
 * Statements of the same kind that are asked for at once go to the server as one. Nothing waits to be
 * gathered: what finds a lane free goes at once, and what comes while all are busy goes together
 * when one is free again.
 */
import { codeOf } from '../../model/errors.ts';
import type { Gather, Gathered, Run, Values } from './hot.ts';

/** Statements of a kind that are under way at once: one for each core of a small server. */
const LANES = 2;
/** Calls in one statement: more do not make it quicker (measured: 16, 32, 64). */
const MANY_MAX = 32;

interface Waiting {
  readonly values: Values;
  readonly resolve: (row: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Kind {
  readonly gathered: Gathered;
  waiting: Waiting[];
  busy: number;
}

const transposed = (calls: readonly Values[]): Values =>
  (calls[0] ?? []).map((_, at) => calls.map((values) => values[at]));

/** The first of each database, in the order they came. */
function take(kind: Kind): Waiting[] {
  const taken = new Map<unknown, Waiting>();
  kind.waiting = kind.waiting.filter((waiting) => {
    const [key] = waiting.values;
    const fits = taken.size < MANY_MAX && !taken.has(key);
    if (fits) taken.set(key, waiting);
    return !fits;
  });
  return [...taken.values()];
}

export function createGather(run: Run): Gather {
  const kinds = new Map<string, Kind>();

  /** Settles who has a row. @returns the others. */
  async function sendMany({ many, together }: Gathered, taken: Waiting[]): Promise<Waiting[]> {
    try {
      const values = (together ?? transposed)(taken.map((waiting) => waiting.values));
      const rows = await run<{ nr: number }>(many, values);
      for (const { nr, ...row } of rows) taken[nr - 1]?.resolve(row);
      const settled = new Set(rows.map(({ nr }) => nr));
      return taken.filter((_, at) => !settled.has(at + 1));
    } catch (error) {
      if (codeOf(error) !== 'unavailable') return taken;
      for (const { reject } of taken) reject(error);
      return [];
    }
  }

  async function fly(kind: Kind): Promise<void> {
    kind.busy += 1;
    // Who has to wait for a lock waits beside the lane, which is for the others.
    for (const { values, resolve, reject } of await sendMany(kind.gathered, take(kind)))
      run(kind.gathered.one, values).then((rows) => resolve(rows[0]), reject);
    kind.busy -= 1;
    if (kind.waiting.length > 0 && kind.busy < LANES) void fly(kind);
  }

  return <Row>(gathered: Gathered, values: Values) =>
    new Promise<Row | undefined>((resolve, reject) => {
      const kind = kinds.get(gathered.one.name) ?? { gathered, waiting: [], busy: 0 };
      kinds.set(gathered.one.name, kind);
      kind.waiting.push({ values, resolve: resolve as Waiting['resolve'], reject });
      if (kind.busy < LANES) void fly(kind);
    });
}
