/** A loop that lives as long as its process: what fails is said once and tried again, ever more slowly. */
import type { Logger } from '../lib/log.ts';
import { codeOf } from '../model/errors.ts';

const BACKOFF_MS_MAX = 10_000;

export interface LoopOptions {
  readonly name: string;
  readonly log: Logger;
  /** Between two rounds that had nothing to do. */
  readonly everyMs: number;
  readonly round: () => Promise<'at once' | 'later'>;
}

export interface Loop {
  /** Ends it after the round in progress. */
  readonly stop: () => Promise<void>;
}

export function startLoop({ name, log, everyMs, round }: LoopOptions): Loop {
  const stopping = new AbortController();
  let failures = 0;

  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        stopping.signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      stopping.signal.addEventListener('abort', end);
    });

  /** @returns how long to wait for the next. */
  async function turn(): Promise<number> {
    try {
      const next = await round();
      if (failures > 0) log.info({ loop: name }, 'works again');
      failures = 0;
      return next === 'at once' ? 0 : everyMs;
    } catch (error) {
      failures += 1;
      const code = codeOf(error);
      if (failures === 1)
        log.warn({ loop: name, code, ...(code === 'internal' ? { err: error } : {}) }, 'waits');
      return Math.min(everyMs * 2 ** Math.min(failures, 10), BACKOFF_MS_MAX);
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const ms = await turn();
      if (ms > 0 && !stopping.signal.aborted) await wait(ms);
    }
  }

  const ended = run();
  return {
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}
