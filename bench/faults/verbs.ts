/** The verbs, each once in a round, on the databases of an arm. */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, ERRORS } from '../../model/errors.ts';
import type {
  CreateAnswer,
  DatabaseAnswer,
  RouteAnswer,
  StartAnswer,
  SuspendAnswer,
} from '../../model/wire.ts';
import { CALL_MS, IDLE_MS, type Arm } from './arm.ts';
import type { Sample } from './judge.ts';

export const VERBS = [
  'connect',
  'route',
  'access',
  'resume',
  'wake',
  'create',
  'suspend',
  'read',
  'change',
  'delete',
] as const;
export type Verb = (typeof VERBS)[number];
/** `tries`: what may be tried again is, as long as a caller waits. */
export type Patience = 'asks once' | 'tries';
export type Round = Readonly<Partial<Record<Verb, Sample>>>;

const SLEEPERS = 6;
const SETTLE_MS_MAX = 60_000;
const LOOK_MS = 100;
const CLEARS_AT_ONCE = 4;

export interface Cast {
  /** Runs all the time, on the host that the line is about. */
  readonly awake: CreateAnswer;
  /** Each sleeps but for its turn. */
  readonly sleepers: readonly CreateAnswer[];
  /** Every verb once, but for those that are left out, and those that lack what another did not bring. */
  readonly round: (n: number, patience?: Patience, without?: readonly Verb[]) => Promise<Round>;
  /**
   * After the trouble: whatever the rounds have made and not deleted is known to the index, and goes.
   * @returns what is not as it must be, a line each.
   */
  readonly clear: () => Promise<readonly string[]>;
  /** Deletes the cast itself. */
  readonly leave: () => Promise<unknown>;
}

const codeOf = (error: unknown): string => {
  if (error instanceof AppError) return error.code;
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return code === '' ? message : code;
};

async function timed<T>(work: () => Promise<T>): Promise<{ sample: Sample; value?: T }> {
  const began = performance.now();
  try {
    const value = await work();
    return { sample: { ms: performance.now() - began }, value };
  } catch (error) {
    return { sample: { ms: performance.now() - began, failed: codeOf(error) } };
  }
}

/** A caller who is told to try again does so. */
async function tryAgain<T>(work: () => Promise<T>): Promise<T> {
  const until = performance.now() + CALL_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const again = error instanceof AppError && ERRORS[error.code].retryable;
      if (!again || performance.now() + LOOK_MS > until) throw error;
      await delay(LOOK_MS);
    }
  }
}

/** Asks again until it holds. @returns false if it does not after a minute. */
async function comesTrue(holds: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + SETTLE_MS_MAX;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > until) return false;
    await delay(LOOK_MS);
  }
  return true;
}

function callsOf({ operator }: Arm) {
  return {
    create: () => operator<CreateAnswer>('', { body: { tenant: 'faults', idle_ms: IDLE_MS } }),
    read: (id: string) => operator<DatabaseAnswer>(`/${id}?awake=false`),
    route: (id: string) => operator<RouteAnswer>(`/${id}/route`),
    start: (id: string) => operator<StartAnswer>(`/${id}/start`, { body: {} }),
    suspend: (id: string, epoch: number) =>
      operator<SuspendAnswer>(`/${id}/suspend`, { body: { epoch } }),
    change: (id: string, n: number) =>
      operator(`/${id}`, { method: 'PATCH', body: { labels: { round: String(n) } } }),
    remove: (id: string) => operator(`/${id}`, { method: 'DELETE' }),
  };
}
type Calls = ReturnType<typeof callsOf>;

/** Creates go where there is most room, so that some land on each host. */
async function createOn(calls: Calls, wanted: string | undefined): Promise<CreateAnswer> {
  for (;;) {
    const made = await calls.create();
    if (wanted === undefined || (await calls.read(made.id)).host === wanted) return made;
    await calls.remove(made.id);
  }
}

async function createSleepers({ create, suspend }: Calls): Promise<readonly CreateAnswer[]> {
  const sleepers: CreateAnswer[] = [];
  for (let i = 0; i < SLEEPERS; i++) sleepers.push(await create());
  for (const { id, epoch } of sleepers) await suspend(id, epoch);
  return sleepers;
}

export async function gatherCast(arm: Arm, host: string | undefined): Promise<Cast> {
  const calls = callsOf(arm);
  const { create, read, route, start, suspend, change, remove } = calls;
  const awake = await createOn(calls, host);
  const sleepers = await createSleepers(calls);
  const owed: string[] = [];

  async function sleepAgain(database: CreateAnswer): Promise<void> {
    // Whichever api is asked: a start says for sure where it runs.
    const at = await start(database.id);
    if (at.state === 'running') await suspend(database.id, at.epoch);
  }

  async function round(
    n: number,
    patience: Patience = 'asks once',
    without: readonly Verb[] = [],
  ): Promise<Round> {
    const samples: Partial<Record<Verb, Sample>> = {};
    async function take<T>(verb: Verb, work: () => Promise<T>): Promise<T | undefined> {
      if (without.includes(verb)) return undefined;
      const { sample, value } = await timed(patience === 'tries' ? () => tryAgain(work) : work);
      samples[verb] = sample;
      return value;
    }
    const turn = sleepers[n % SLEEPERS] ?? awake;
    await take('connect', () => arm.visit(awake.connection_string));
    await take('route', () => route(awake.id));
    await take('access', () => arm.access(awake.id));
    await take('read', () => read(awake.id));
    await take('change', () => change(awake.id, n));
    const started = await take('resume', () => start(turn.id));
    if (started?.state === 'running') await take('suspend', () => suspend(turn.id, started.epoch));
    await take('wake', () => arm.visit(turn.connection_string));
    await sleepAgain(turn).catch(() => undefined);
    const made = await take('create', create);
    if (made !== undefined) {
      owed.push(made.id);
      await take('delete', () => remove(made.id));
      if (samples.delete?.failed !== undefined)
        await suspend(made.id, made.epoch).catch(() => undefined);
    }
    return samples;
  }

  return {
    awake,
    sleepers,
    round,
    clear: () => clear(arm, owed.splice(0)),
    leave: () =>
      clear(
        arm,
        [awake, ...sleepers].map(({ id }) => id),
      ),
  };
}

/** Not measured: the databases of a run would fill the disk. */
async function clear(arm: Arm, owed: readonly string[]): Promise<string[]> {
  const wrong: string[] = [];
  const left = [...owed];
  async function clearNext(): Promise<void> {
    for (let id = left.shift(); id !== undefined; id = left.shift())
      wrong.push(...(await clearOne(arm, id)));
  }
  await Promise.all(Array.from({ length: CLEARS_AT_ONCE }, clearNext));
  return wrong;
}

async function clearOne({ operator, purge }: Arm, id: string): Promise<string[]> {
  const wrong: string[] = [];
  // Until then it is answered by the volume.
  const isKnown = await comesTrue(
    async () => !(await operator<DatabaseAnswer>(`/${id}?awake=false`)).stale,
  );
  if (!isKnown) wrong.push(`${id} is not known to the index`);
  const isGone = await comesTrue(async () => {
    await operator(`/${id}`, { method: 'DELETE' }).catch((error: unknown) => {
      if (codeOf(error) !== 'database_deleted') throw error;
    });
    return true;
  });
  if (!isGone) wrong.push(`${id} can not be deleted`);
  await purge(id);
  return wrong;
}
