/**
 * Activities of fleetMigration. That a file is applied once is the word of the tenant's own
 * database (schema `pilotlight`); everything here may be repeated.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { holdReleaseAll } from '../db/cold/hold-keep.ts';
import type { HotFunctions } from '../db/cold/hot-functions.ts';
import { runCreate } from '../db/cold/run-create.ts';
import { runEnd } from '../db/cold/run-end.ts';
import { runFind } from '../db/cold/run-find.ts';
import { runItemAbandoned, runItemRetryFailed } from '../db/cold/run-item-retry.ts';
import type { JsonClient } from '../lib/http-client.ts';
import { deferMs, type Paged } from '../model/cold/items.ts';
import {
  PASSING_TRIES_MAX,
  isPassing,
  type MigrationFile,
  type MigrationPage,
  type MigrationPlan,
  type MigrationPlanned,
} from '../model/cold/migrations.ts';
import { workflowId } from '../model/cold/names.ts';
import { AppError, codeOf } from '../model/errors.ts';
import { createFleetCalls, type FleetHost } from './fleet-calls.ts';
import { countRun, workPage, type Item, type ItemOutcome, type ItemsDeps } from './items.ts';
import { readMigrationFiles, readPlannedFiles, type MigrationText } from './migration-files.ts';

export interface MigrationActivitiesDeps extends ItemsDeps {
  readonly hot: HotFunctions;
  readonly api: JsonClient;
  readonly apiUrls: readonly string[];
  readonly agents: JsonClient;
}

const VERB = 'fleetMigration';

interface Running {
  readonly host: FleetHost;
  readonly epoch: number;
  /** It was asleep, or may have been: an earlier attempt may have woken it. */
  readonly woken: boolean;
}

const withoutText = ({ name, checksum }: MigrationFile): MigrationFile => ({ name, checksum });

export function createMigrationActivities(deps: MigrationActivitiesDeps) {
  const { cold, log } = deps;
  const fleet = createFleetCalls(deps);

  /** @throws AppError `below_floor`, `waking`, `broken`, `database_deleted`, … */
  async function wake({ database, attempt }: Item): Promise<Running> {
    const started = await fleet.start(database, VERB);
    if (started.state !== 'running') throw new AppError('waking');
    const { host: id, epoch } = await fleet.read(database);
    const host = (await fleet.hosts()).find((known) => known.id === id);
    // It has gone on since, or the index has not heard of it yet.
    if (host === undefined || epoch !== started.epoch) throw new AppError('waking');
    return { host, epoch, woken: started.cold_start !== 'running' || attempt > 1 };
  }

  /** Back to where it was found, unless somebody has come in. */
  async function putBack(database: string, { epoch, woken }: Running): Promise<void> {
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
    { database, signal }: Item,
    { host, epoch }: Running,
    page: MigrationPage,
    texts: readonly MigrationText[],
  ): Promise<number> {
    let applied = 0;
    for (const text of texts) {
      const { lock_timeout_ms, statement_timeout_ms } = page;
      const request = { database, epoch, ...text, lock_timeout_ms, statement_timeout_ms };
      const { outcome } = await fleet.apply(host, request, signal);
      if (outcome === 'applied') applied += 1;
    }
    return applied;
  }

  /** Tries again what passes: a lock that somebody has, a lost race. */
  async function applySurely(
    item: Item,
    running: Running,
    page: MigrationPage,
    texts: readonly MigrationText[],
  ): Promise<number> {
    for (let tries = 1; ; tries++) {
      try {
        return await applyFiles(item, running, page, texts);
      } catch (error) {
        const sqlstate = error instanceof AppError ? error.data?.['sqlstate'] : undefined;
        if (!isPassing(sqlstate) || tries === PASSING_TRIES_MAX) throw error;
        await sleep(deferMs(page.retry_ms, tries), undefined, { signal: item.signal });
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

  async function migrate(
    item: Item,
    page: MigrationPage,
    texts: readonly MigrationText[],
  ): Promise<ItemOutcome> {
    const running = await wake(item);
    try {
      const applied = await applySurely(item, running, page, texts);
      return { state: 'done', result: { applied, of: texts.length, woken: running.woken } };
    } catch (error) {
      return failureOf(error);
    } finally {
      await putBack(item.database, running);
    }
  }

  return {
    /** Snapshots files and targets. Of a run that is there already it goes on with that one. */
    async migrationPlan(plan: MigrationPlan): Promise<MigrationPlanned> {
      const run = workflowId.fleetMigration(plan.name);
      const files = (await readMigrationFiles(plan.folder)).map(withoutText);
      const { targets } = plan;
      const made = await runCreate(cold, { run, verb: VERB, spec: { files }, targets });
      if (!made.created) {
        const found = await runFind(cold, run);
        const before = (found?.spec as { files?: unknown } | undefined)?.files;
        if (JSON.stringify(before) !== JSON.stringify(files))
          throw new AppError('bad_request', { detail: 'a run of this name has other files' });
        await runItemAbandoned(cold, run);
        if (plan.retry_failed) await runItemRetryFailed(cold, run);
      }
      const { total } = await countRun(cold, run);
      return { files, total };
    },

    /** Applies the files to a page of databases. Ended early, it finishes what it has begun. */
    async migrationPage(page: MigrationPage): Promise<Paged> {
      const texts = await readPlannedFiles(page.folder, page.files);
      return workPage(deps, page, { verb: VERB, item: (item) => migrate(item, page, texts) });
    },

    /** What failed waits again. @returns how many. */
    migrationRetryFailed: (run: string): Promise<number> => runItemRetryFailed(cold, run),

    async migrationEnd(run: string, outcome: string): Promise<Paged> {
      await runItemAbandoned(cold, run);
      await holdReleaseAll(cold, run);
      await runEnd(cold, run, outcome);
      return countRun(cold, run);
    },
  };
}

export type MigrationActivities = ReturnType<typeof createMigrationActivities>;
