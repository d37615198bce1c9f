/**
 * Starts that no customer waits for: of blank directories for stock, and of databases for maintenance.
 * They get what others leave (decision 0009) until they are ready, until somebody does wait, or for 2 s: where
 * no core is ever idle they would end as starts that have failed.
 */
import { lowerForNow, raiseAgain } from '../lib/priority.ts';
import { within } from '../lib/within.ts';
import { processesIn } from './processes.ts';

const LOWERED_MS_MAX = 2_000;
/** A maintenance start waits no longer for those before it: one of them may be recovering for minutes. */
const TURN_MS_MAX = 5_000;

/** A postmaster, and the data directory that it and what it starts work in. */
export interface Server {
  readonly pid: number;
  readonly data: string;
}

export interface Unhurried {
  /**
   * Lowers a postmaster that has just been started, and what it starts.
   * @param database nobody's = it is for stock.
   * @returns raises all of them again, once.
   */
  readonly lower: (pid: number, data: string, database?: string) => () => void;
  /** What an earlier agent has started may be lowered still. */
  readonly raise: (servers: readonly Server[]) => void;
  /** A customer waits for this database until the work is done. */
  readonly demanded: <T>(database: string, work: () => Promise<T>) => Promise<T>;
  /** Maintenance of one host: one after the other, so that several at once take no core from demand. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}

/** What the kernel does, where a test does not. */
export interface Priorities {
  readonly lower: (pid: number) => boolean;
  readonly raise: (servers: readonly Server[]) => void;
}

const KERNEL: Priorities = {
  lower: (pid) => lowerForNow(pid),
  raise(servers) {
    // Parents first: what they start from now on is raised, and what they had started is found.
    raiseAgain(servers.map(({ pid }) => pid));
    raiseAgain(processesIn(new Set(servers.map(({ data }) => data))));
  },
};

export function createUnhurried(kernel: Priorities = KERNEL): Unhurried {
  const lowered = new Map<string, () => void>();
  const demand = new Map<string, number>();
  const count = (database: string, by: number): void => {
    const sum = (demand.get(database) ?? 0) + by;
    if (sum === 0) demand.delete(database);
    else demand.set(database, sum);
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    lower(pid, data, database = data) {
      if (demand.has(database) || !kernel.lower(pid)) return () => undefined;
      const raise = (): void => {
        clearTimeout(timer);
        if (lowered.get(database) !== raise) return;
        lowered.delete(database);
        kernel.raise([{ pid, data }]);
      };
      const timer = setTimeout(raise, LOWERED_MS_MAX);
      timer.unref();
      lowered.set(database, raise);
      return raise;
    },
    raise: kernel.raise,
    async demanded(database, work) {
      count(database, 1);
      lowered.get(database)?.();
      try {
        return await work();
      } finally {
        count(database, -1);
      }
    },
    inTurn(work) {
      const done = within(last, TURN_MS_MAX, () => undefined).then(work);
      last = done.catch(() => undefined);
      return done;
    },
  };
}
