/**
 * Whether anybody has ever logged in to a database: until then a repeat of its create may hand out a
 * new password. An empty file beside the identity document, made once and never removed. Whoever can
 * not tell says yes: that costs the repeat a refusal, the other way it would cost a customer the login.
 */
import { open, stat } from 'node:fs/promises';
import { isMissing } from '../lib/errno.ts';
import { syncFolder } from '../lib/files.ts';
import type { Logger } from '../lib/log.ts';
import type { Look } from '../db/tenant/look.ts';
import type { Volume } from './volume.ts';

export interface Visits {
  /** Somebody has logged in. Tries once; a failure is logged, and the next sign marks it again. */
  readonly mark: (database: string) => Promise<void>;
  readonly isMarked: (database: string) => Promise<boolean>;
  /**
   * Before a run ends, with the door closed: what its statistics know of logins is noted.
   * @param look called only if nobody is known to have logged in yet.
   */
  readonly settle: (
    database: string,
    look: () => Promise<Pick<Look, 'logged_in' | 'sessions'>>,
  ) => Promise<void>;
}

export function createVisits(volume: Volume, log: Logger): Visits {
  const marked = new Set<string>();

  async function mark(database: string): Promise<void> {
    if (marked.has(database)) return;
    const { folder, visited } = volume.database(database);
    try {
      await (await open(visited, 'a', 0o600)).close();
      await syncFolder(folder);
      marked.add(database);
    } catch (error) {
      log.error({ err: error, database }, 'a first login could not be noted');
    }
  }

  async function isMarked(database: string): Promise<boolean> {
    if (marked.has(database)) return true;
    try {
      await stat(volume.database(database).visited);
      marked.add(database);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  return {
    mark,
    isMarked,
    async settle(database, look) {
      if (await isMarked(database)) return;
      try {
        const { logged_in, sessions } = await look();
        if (logged_in > 0 || sessions > 0) await mark(database);
      } catch (error) {
        log.warn({ err: error, database }, 'nobody can say whether somebody has logged in');
        await mark(database);
      }
    },
  };
}
