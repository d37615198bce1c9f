/** Activities of fleetMigration: planning, pages of databases, the end. All may be repeated. */
import { holdReleaseAll } from '../db/cold/hold-keep.ts';
import type { HotFunctions } from '../db/cold/hot-functions.ts';
import { runCreate } from '../db/cold/run-create.ts';
import { runEnd } from '../db/cold/run-end.ts';
import { runFind } from '../db/cold/run-find.ts';
import { runItemAbandoned, runItemRetryFailed } from '../db/cold/run-item-retry.ts';
import type { JsonClient } from '../lib/json-client.ts';
import type { Paged } from '../model/cold/items.ts';
import type {
  MigrationFile,
  MigrationPage,
  MigrationPlan,
  MigrationPlanned,
} from '../model/cold/migrations.ts';
import { workflowId } from '../model/cold/names.ts';
import { AppError } from '../model/errors.ts';
import { createFleetCalls } from './fleet-calls.ts';
import { countRun, workPage, type ItemsDeps } from './items.ts';
import { migrateDatabase } from './migrate-database.ts';
import { readMigrationFiles, readPlannedFiles } from './migration-files.ts';

export interface MigrationActivitiesDeps extends ItemsDeps {
  readonly hot: HotFunctions;
  readonly api: JsonClient;
  readonly apiUrls: readonly string[];
  readonly agents: JsonClient;
}

const VERB = 'fleetMigration';

const withoutText = ({ name, checksum }: MigrationFile): MigrationFile => ({ name, checksum });

export function createMigrationActivities(deps: MigrationActivitiesDeps) {
  const { cold, log } = deps;
  const fleet = createFleetCalls(deps);

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
      const parts = { fleet, log, verb: VERB, page, texts };
      return workPage(deps, page, { verb: VERB, item: (item) => migrateDatabase(parts, item) });
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
