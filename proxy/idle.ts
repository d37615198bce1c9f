/**
 * Counts the sessions of each database and asks for its suspend when the last one has been gone for
 * the idle time. The agent decides whether it really is idle, and covers whatever is missed here.
 */
import { codeOf } from '../model/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { SuspendAnswer, SuspendRequest } from '../model/wire.ts';
import type { ApiClient } from './api-client.ts';
import type { Wakes } from './wake.ts';

/** A suspend waits for Postgres' shutdown checkpoint. */
const SUSPEND_MS_MAX = 40_000;

export interface Idle {
  /** A session has begun. */
  readonly opened: (database: string, epoch: number) => void;
  /** A session has ended. */
  readonly closed: (database: string) => void;
  /** A start was answered; its session may never come if the client has left. */
  readonly woken: (database: string, epoch: number) => void;
  readonly sessions: () => number;
  /** Asks for no more suspends; sessions may still end. */
  readonly stop: () => void;
}

export interface IdleOptions {
  readonly api: Pick<ApiClient, 'call'>;
  readonly routes: Pick<Wakes, 'forget' | 'restore'>;
  /** The idle time of a database. */
  readonly idleMsOf: (database: string) => number;
  /** The least time that a woken database is given for its first session. */
  readonly holdMs: number;
  readonly log: Logger;
}

interface Watch {
  sessions: number;
  epoch: number;
  timer: NodeJS.Timeout | undefined;
}

export function createIdle(options: IdleOptions): Idle {
  const watches = new Map<string, Watch>();
  let sessions = 0;
  let stopped = false;

  async function suspend(database: string, epoch: number): Promise<void> {
    // Whoever comes from here on asks the api, so that no session is opened into a closing Postgres.
    const route = options.routes.forget(database, epoch);
    try {
      const body: SuspendRequest = { epoch, if_idle: true };
      const answer = await options.api.call<SuspendAnswer>(`/v1/databases/${database}/suspend`, {
        body,
        timeoutMs: SUSPEND_MS_MAX,
      });
      if (answer.outcome === 'busy' && route !== undefined) options.routes.restore(database, route);
      options.log.debug({ database, epoch, outcome: answer.outcome }, 'suspend asked for');
    } catch (error) {
      if (route !== undefined) options.routes.restore(database, route);
      options.log.warn({ database, epoch, code: codeOf(error) }, 'the suspend was not answered');
    }
  }

  function arm(database: string, watch: Watch, waitMs: number): void {
    clearTimeout(watch.timer);
    if (stopped) return;
    const fire = (): void => {
      watches.delete(database);
      void suspend(database, watch.epoch);
    };
    if (waitMs === 0) return fire();
    watch.timer = setTimeout(fire, waitMs);
    watch.timer.unref();
  }

  function watchOf(database: string, epoch: number): Watch {
    let watch = watches.get(database);
    if (watch === undefined) {
      watch = { sessions: 0, epoch, timer: undefined };
      watches.set(database, watch);
    }
    watch.epoch = Math.max(watch.epoch, epoch);
    return watch;
  }

  return {
    opened(database, epoch) {
      const watch = watchOf(database, epoch);
      clearTimeout(watch.timer);
      watch.sessions += 1;
      sessions += 1;
    },
    closed(database) {
      const watch = watches.get(database);
      if (watch === undefined) throw new Error('BUG: a session ended that had not begun');
      watch.sessions -= 1;
      sessions -= 1;
      if (watch.sessions === 0) arm(database, watch, options.idleMsOf(database));
    },
    woken(database, epoch) {
      const watch = watchOf(database, epoch);
      if (watch.sessions === 0)
        arm(database, watch, Math.max(options.idleMsOf(database), options.holdMs));
    },
    sessions: () => sessions,
    stop() {
      stopped = true;
      for (const watch of watches.values()) clearTimeout(watch.timer);
    },
  };
}
