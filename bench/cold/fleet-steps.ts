/** What is done to the fleet of `npm run fleet`, and counted. */
import { setTimeout as delay } from 'node:timers/promises';
import { workflowId } from '../../model/cold/names.ts';
import type { MigrationResult } from '../../model/cold/migrations.ts';
import type { RotationResult } from '../../model/cold/keys.ts';
import { login, until, withFolder } from './stack.ts';
import type { ColdDatabase, ColdStack } from './stack.ts';

const WORKFLOW_MS_MAX = 10 * 60_000;
/** Enough to log in twice to every database. */
const GRACE_MS_PER_DATABASE = 1_500;
const GRACE_MS_MIN = 15_000;
const MIGRATION = 'fleet-bench';
const ROTATION = 'fleet-bench';
/** What a second run of the files would show as a second row. */
const FILES = {
  '0001_make_a_mark.sql': 'create table mark (n integer generated always as identity);\n',
  '0002_leave_a_mark.sql': 'insert into mark default values;\n',
};
const MARKS = 'select count(*)::int from mark';

type Say = (line: string) => void;

async function completed({ cli }: ColdStack, id: string): Promise<void> {
  await until(id, WORKFLOW_MS_MAX, async () => (await cli.status(id)) === 'COMPLETED');
}

const epochsOf = ({ fleet }: ColdStack, databases: readonly ColdDatabase[]): Promise<number[]> =>
  Promise.all(databases.map(async ({ id }) => (await fleet.get(id)).epoch));

const statesOf = ({ fleet }: ColdStack, databases: readonly ColdDatabase[]): Promise<string[]> =>
  Promise.all(databases.map(async ({ id }) => (await fleet.get(id)).state));

export interface Migrated {
  readonly migrated: number;
  /** Files that ran once too often, as the databases' own rows show; and ones not put back to sleep. */
  readonly twice: number;
  readonly left_awake: number;
}

/** Migrates all of them; how often each file has run is looked up in each, which wakes them. */
export async function migrate(
  stack: ColdStack,
  databases: readonly ColdDatabase[],
  say: Say,
): Promise<Migrated> {
  const before = await statesOf(stack, databases);
  const id = workflowId.fleetMigration(MIGRATION);
  const result = await withFolder(FILES, async (folder) => {
    await stack.cli.start('fleetMigration', id, {
      name: MIGRATION,
      folder,
      targets: databases.map((database) => database.id),
      bake_ms: 1_000,
      batch: 10,
      initiator: 'bench',
    });
    await completed(stack, id);
    return stack.cli.result<MigrationResult>(id);
  });
  const after = await statesOf(stack, databases);
  const left_awake = after.filter((state, n) => state === 'running' && before[n] !== state).length;
  const marks: unknown[] = [];
  for (const { id: database, connection_string } of databases) {
    marks.push(await login(connection_string, MARKS));
    if (before[marks.length - 1] === 'suspended') await stack.sleep(database);
  }
  say(`migrated: ${result.done} done, ${result.failed} failed; ${left_awake} left awake`);
  return {
    migrated: marks.filter((n) => n === 1).length,
    twice: marks.filter((n) => typeof n === 'number' && n > 1).length,
    left_awake,
  };
}

export interface Rotated {
  readonly figures: {
    readonly rotated: number;
    readonly woken: number;
    readonly failed_logins: number;
    /** Old passwords that worked after they were revoked. */
    readonly old_accepted: number;
  };
  /** By database, with the new password. */
  readonly urls: readonly string[];
}

async function phaseIs({ cold }: ColdStack, phases: readonly string[]): Promise<boolean> {
  const [row] = await cold('select phase from rotation where rotation = $1', [ROTATION]);
  return phases.includes(String(row?.[0]));
}

/** @returns how many of these have been started since. */
async function wokenSince(
  stack: ColdStack,
  databases: readonly ColdDatabase[],
  before: readonly number[],
): Promise<number> {
  const after = await epochsOf(stack, databases);
  return after.filter((epoch, n) => epoch !== before[n]).length;
}

async function works(url: string, say: Say): Promise<boolean> {
  const said = await login(url);
  if (said !== 1)
    say(
      `no login to ${new URL(url).pathname.slice(1)}: ${said instanceof Error ? said.message : String(said)}`,
    );
  return said === 1;
}

/**
 * Rotates all passwords. Logins wake databases, so starts are counted while nobody logs in: from the
 * beginning to the grace, and from the logins in it to the end.
 */
export async function rotate(
  stack: ColdStack,
  databases: readonly ColdDatabase[],
  say: Say,
): Promise<Rotated> {
  const id = workflowId.keyRotation(ROTATION);
  const asleep = await statesOf(stack, databases);
  const before = await epochsOf(stack, databases);
  await stack.cli.start('keyRotation', id, {
    name: ROTATION,
    targets: databases.map((database) => database.id),
    grace_ms: Math.max(GRACE_MS_MIN, databases.length * GRACE_MS_PER_DATABASE),
    initiator: 'bench',
  });
  await until('the grace', WORKFLOW_MS_MAX, () => phaseIs(stack, ['grace']));
  const wokenByAdding = await wokenSince(stack, databases, before);
  const urls: string[] = [];
  for (const database of databases) urls.push(await stack.openPassword(ROTATION, database));
  say('the new passwords are opened; logging in with old and new ones');
  let failed = 0;
  for (const [n, database] of databases.entries()) {
    for (const url of [database.connection_string, urls[n] ?? '']) {
      if (!(await works(url, say))) failed += 1;
    }
    if (asleep[n] === 'suspended') await stack.sleep(database.id);
  }
  const inGrace = await phaseIs(stack, ['grace']);
  if (!inGrace) say('the grace was too short for all the logins');
  const rested = await epochsOf(stack, databases);
  await completed(stack, id);
  const result = await stack.cli.result<RotationResult>(id);
  const wokenByRevoking = await wokenSince(stack, databases, rested);
  say(`rotated: ${result.added} added, ${result.revoked} revoked, ${result.failed} failed`);
  let old_accepted = 0;
  for (const [n, { connection_string }] of databases.entries()) {
    if ((await login(connection_string)) !== 'refused') old_accepted += 1;
    if (!(await works(urls[n] ?? '', say))) failed += 1;
  }
  const figures = {
    rotated: result.revoked,
    woken: wokenByAdding + wokenByRevoking,
    failed_logins: failed,
    old_accepted,
  };
  return { figures, urls };
}

const CLIENTS = 4;
/** A database falls asleep so long after its last client. */
const IDLE_MS = 2_000;
const STAY_MS_MAX = 4_000;

/** Clients come and go at random; databases wake and fall asleep by themselves. */
export async function use(
  stack: ColdStack,
  urls: readonly string[],
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const until_ = Date.now() + ms;
  for (const url of urls) {
    const path = `${stack.stack.endpoints.api.url}/v1/databases/${new URL(url).pathname.slice(1)}`;
    await stack.api.call(path, {
      method: 'PATCH',
      body: { idle_ms: IDLE_MS },
      timeoutMs: 10_000,
    });
  }
  async function client(): Promise<void> {
    while (Date.now() < until_ && !signal.aborted) {
      const url = urls[Math.floor(Math.random() * urls.length)] ?? '';
      await login(url, `select pg_sleep(${(Math.random() * STAY_MS_MAX) / 1000})`);
      await delay(Math.random() * STAY_MS_MAX);
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client));
}
