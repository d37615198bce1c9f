/**
 * One database of a migration: woken if it sleeps, its files applied, put back. That a file is
 * applied once is the word of the tenant's own database; everything here may be repeated.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../lib/log.ts';
import { deferMs } from '../model/cold/items.ts';
import { PASSING_TRIES_MAX, isPassing, type MigrationPage } from '../model/cold/migrations.ts';
import { AppError, codeOf } from '../model/errors.ts';
import type { FleetCalls, FleetHost } from './fleet-calls.ts';
import type { Item, ItemOutcome } from './items.ts';
import type { MigrationText } from './migration-files.ts';

export interface MigrateParts {
  readonly fleet: FleetCalls;
  readonly log: Logger;
  /** The workflow's type. */
  readonly verb: string;
  readonly page: MigrationPage;
  readonly texts: readonly MigrationText[];
}

interface Running {
  readonly host: FleetHost;
  readonly epoch: number;
  /** It was asleep, or may have been: an earlier attempt may have woken it. */
  readonly woken: boolean;
}

/** @throws AppError `below_floor`, `waking`, `broken`, `database_deleted`, … */
async function wake({ fleet, verb }: MigrateParts, item: Item): Promise<Running> {
  const { database, attempt } = item;
  const started = await fleet.start(database, verb);
  if (started.state !== 'running') throw new AppError('waking');
  const { host: id, epoch } = await fleet.read(database);
  const host = (await fleet.hosts()).find((known) => known.id === id);
  // It has gone on since, or the index has not heard of it yet.
  if (host === undefined || epoch !== started.epoch) throw new AppError('waking');
  return { host, epoch, woken: started.cold_start !== 'running' || attempt > 1 };
}

/** Back to where it was found, unless somebody has come in. */
async function putBack(
  { fleet, log }: MigrateParts,
  database: string,
  { epoch, woken }: Running,
): Promise<void> {
  if (!woken) return;
  try {
    await fleet.suspendIfIdle(database, epoch);
  } catch (error) {
    // Its own idle time will do it.
    log.info({ database, code: codeOf(error) }, 'a database was not put back to sleep');
  }
}

/** How many of the files were applied now. */
async function applyFiles(
  { fleet, page, texts }: MigrateParts,
  { database, signal }: Item,
  { host, epoch }: Running,
): Promise<number> {
  const { lock_timeout_ms, statement_timeout_ms } = page;
  let applied = 0;
  for (const text of texts) {
    const request = { database, epoch, ...text, lock_timeout_ms, statement_timeout_ms };
    const { outcome } = await fleet.apply(host, request, signal);
    if (outcome === 'applied') applied += 1;
  }
  return applied;
}

/** Tries again what passes: a lock that somebody has, a lost race. */
async function applySurely(parts: MigrateParts, item: Item, running: Running): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      return await applyFiles(parts, item, running);
    } catch (error) {
      const sqlstate = error instanceof AppError ? error.data?.['sqlstate'] : undefined;
      if (!isPassing(sqlstate) || tries === PASSING_TRIES_MAX) throw error;
      await sleep(deferMs(parts.page.retry_ms, tries), undefined, { signal: item.signal });
    }
  }
}

/** What Postgres said of a file. @throws what the agent or api said. */
function failureOf(error: unknown): ItemOutcome {
  if (codeOf(error) !== 'migration_failed' || !(error instanceof AppError)) throw error;
  const { sqlstate = 'XX000', at } = error.data ?? {};
  const where = at === undefined ? '' : `, at character ${at} of the file`;
  const detail = `SQLSTATE ${sqlstate}${where}`;
  return { state: 'failed', error: 'migration_failed', detail };
}

export async function migrateDatabase(parts: MigrateParts, item: Item): Promise<ItemOutcome> {
  const running = await wake(parts, item);
  try {
    const applied = await applySurely(parts, item, running);
    const result = { applied, of: parts.texts.length, woken: running.woken };
    return { state: 'done', result };
  } catch (error) {
    return failureOf(error);
  } finally {
    await putBack(parts, item.database, running);
  }
}
