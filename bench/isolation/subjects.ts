/** What the workflows of a storm work on, made before anything is measured. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '../../db/client.ts';
import type { Endpoints } from '../../dev/endpoints.ts';
import { createFleetClient, type FleetClient } from '../../dev/fleet-client.ts';
import { replaceFile } from '../../lib/files.ts';
import { monthPeriod } from '../../model/cold/billing.ts';

/** Not the size of the databases that are measured, so that nobody takes another's slot. */
export const SIZE = 'medium';
/** Usage of a month that is over, for rollup and close. */
export const MONTH = '1990-01';
const INTERVALS = 4_000;
const INTERVAL_MS = 3 * 3_600_000;
const TENANTS = 80;
/** Migrated and rotated; asleep in between. */
const DATABASES = 8;
/** Warm slots of each host that are emptied and built again. */
const WARM_PER_HOST = 2;
const IDLE_MS = 3_600_000;

export interface Subjects {
  /** For what the workflows read. */
  readonly folder: string;
  readonly databases: readonly string[];
  /** Of each storm: a tombstone is there, the data are not purged. */
  readonly deleted: readonly (readonly string[])[];
}

const fileOf = (home: string): string => join(home, 'storm/subjects.json');

async function seed(coldUrl: string): Promise<void> {
  const period = monthPeriod(MONTH);
  if (period === undefined) throw new Error(`BUG: no month: ${MONTH}`);
  const cold = await connect(coldUrl);
  await cold.query(
    `insert into usage_interval (database_id, epoch, tenant, size, started_ms, stopped_ms, ended_ms)
     select 'month-' || i, 1, 'storm-' || i % $1::int, 'small', $2::bigint + i * 1000,
            $2::bigint + i * 1000 + $3::bigint, $2::bigint + i * 1000 + $3::bigint
       from generate_series(1, $4::int) i`,
    [TENANTS, period.from_ms, INTERVAL_MS, INTERVALS],
  );
  // Of the size that is measured there is no stock: its refill would belong to no arm.
  await cold.query('update pool_target set warm_per_host = 0');
  await cold.query(`insert into pool_target (size, warm_per_host) values ('${SIZE}', $1)`, [
    WARM_PER_HOST,
  ]);
  await cold.end();
}

async function makeAsleep(fleet: FleetClient, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const { id, epoch } = await fleet.create({ tenant: 'storm', size: SIZE, idle_ms: IDLE_MS });
    await fleet.suspend(id, epoch);
    ids.push(id);
  }
  return ids;
}

/** @param deletions for each storm. */
export async function makeSubjects(
  { home, api, cold_url }: Endpoints,
  storms: number,
  deletions: number,
): Promise<string> {
  const fleet = createFleetClient(api.url, api.tokens['operator'] ?? '');
  try {
    const folder = join(home, 'storm');
    await mkdir(folder, { recursive: true });
    await seed(cold_url);
    const databases = await makeAsleep(fleet, DATABASES);
    const deleted: string[][] = [];
    while (deleted.length < storms) {
      const ids = await makeAsleep(fleet, deletions);
      for (const id of ids) await fleet.remove(id);
      deleted.push(ids);
    }
    const file = fileOf(home);
    await replaceFile(
      file,
      JSON.stringify({ folder, databases, deleted } satisfies Subjects),
      0o600,
    );
    return file;
  } finally {
    fleet.close();
  }
}
