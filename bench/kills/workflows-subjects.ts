/**
 * The workflows that are killed under, each with something real to do and rows that tell how often
 * it was done.
 */
import { rm } from 'node:fs/promises';
import type { CloseResult, RollupResult } from '../../model/cold/billing.ts';
import { monthPeriod } from '../../model/cold/billing.ts';
import type { DeletionResult } from '../../model/cold/deletion.ts';
import type { MigrationResult } from '../../model/cold/migrations.ts';
import type { RotationResult } from '../../model/cold/keys.ts';
import type { PoolResult } from '../../model/cold/pool.ts';
import { workflowId, type WorkflowType } from '../../model/cold/names.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { HostReport } from '../../model/wire.ts';
import { login, type ColdDatabase, type ColdStack } from '../cold/stack.ts';

/** A workflow under way. */
export interface Run {
  readonly type: WorkflowType;
  readonly id: string;
  /**
   * After it has completed.
   * @returns a sentence for each thing that was not done, or done twice.
   */
  readonly judge: () => Promise<readonly string[]>;
}

export interface Scene {
  readonly stack: ColdStack;
  /** Sleeping ones, whose files and passwords are changed in every round. */
  readonly databases: readonly ColdDatabase[];
  /** Their connection strings as of now, by id. */
  readonly urls: Map<string, string>;
  /** Where a round writes its file; emptied by the next one. */
  readonly folder: (files: Readonly<Record<string, string>>) => Promise<string>;
}

const WARM = 2;
const HOUR_MS = 3_600_000;

const expectEqual = (what: string, is: unknown, should: unknown): string[] =>
  is === should ? [] : [`${what}: ${String(is)}, not ${String(should)}`];

async function start(scene: Scene, type: WorkflowType, id: string, input: object): Promise<void> {
  await scene.stack.cli.start(type, id, { ...input, initiator: 'kills' });
}

/** A file that leaves a row: a second time would leave a second one. */
export async function migration(scene: Scene, round: number): Promise<Run> {
  const { stack, databases, urls } = scene;
  const name = `kills-${round}`;
  const id = workflowId.fleetMigration(name);
  const number = String(round).padStart(4, '0');
  const folder = await scene.folder({
    [`${number}_mark.sql`]: `create table if not exists mark (round integer);
insert into mark values (${round});
select pg_sleep(0.1);
`,
  });
  await start(scene, 'fleetMigration', id, {
    name,
    folder,
    targets: databases.map((database) => database.id),
    bake_ms: 500,
    batch: 3,
    concurrency: 2,
  });
  return {
    type: 'fleetMigration',
    id,
    async judge() {
      const { done } = await stack.cli.result<MigrationResult>(id);
      const wrong = expectEqual(`${id}: databases done`, done, databases.length);
      for (const database of databases) {
        const sql = `select count(*)::int from mark where round = ${round}`;
        const marks = await login(urls.get(database.id) ?? '', sql);
        wrong.push(...expectEqual(`${id}: marks in ${database.id}`, marks, 1));
        await stack.sleep(database.id);
      }
      await rm(folder, { recursive: true, force: true });
      return wrong;
    },
  };
}

/** One new password that works, and the old one does not: whatever was done twice on the way. */
export async function rotation(scene: Scene, round: number): Promise<Run> {
  const { stack, databases, urls } = scene;
  const name = `kills-${round}`;
  const id = workflowId.keyRotation(name);
  await start(scene, 'keyRotation', id, {
    name,
    targets: databases.map((database) => database.id),
    grace_ms: 2_000,
    batch: 3,
    concurrency: 2,
  });
  return {
    type: 'keyRotation',
    id,
    async judge() {
      const { revoked } = await stack.cli.result<RotationResult>(id);
      const wrong = expectEqual(`${id}: databases done`, revoked, databases.length);
      const rows = await stack.cold(
        'select count(*)::int, count(sealed)::int from sealed_password where rotation = $1',
        [name],
      );
      wrong.push(
        ...expectEqual(`${id}: sealed`, rows[0]?.join(), Array(2).fill(databases.length).join()),
      );
      for (const database of databases) {
        const old = urls.get(database.id) ?? '';
        const fresh = await stack.openPassword(name, database);
        wrong.push(
          ...expectEqual(`${id}: old password of ${database.id}`, await login(old), 'refused'),
          ...expectEqual(`${id}: new password of ${database.id}`, await login(fresh), 1),
        );
        urls.set(database.id, fresh);
        await stack.sleep(database.id);
      }
      return wrong;
    },
  };
}

/** A database is deleted; there is one proof of its purge. */
export async function deletion(scene: Scene): Promise<Run> {
  const { stack } = scene;
  const { id: database } = await stack.create('kills');
  const id = workflowId.databaseDeletion(database);
  await stack.fleet.remove(database);
  await stack.cli.run(
    ...['workflow', 'start', '--type', 'databaseDeletion', '--task-queue', 'cold-deletion'],
    // Dispatch may have been quicker, with a week's retention.
    ...['--workflow-id', id, '--id-conflict-policy', 'TerminateExisting'],
    ...['--input', JSON.stringify({ database, retention_ms: 2_000, initiator: 'kills' })],
  );
  return {
    type: 'databaseDeletion',
    id,
    async judge() {
      const { outcome } = await stack.cli.result<DeletionResult>(id);
      const rows = await stack.cold(
        'select count(*)::int, min(files)::int from purge where database_id = $1',
        [database],
      );
      return [
        ...expectEqual(`${id}: outcome`, outcome, 'purged'),
        ...expectEqual(`${id}: proofs`, rows[0]?.[0], 1),
        ...expectEqual(`${id}: a proof with files`, Number(rows[0]?.[1]) > 0, true),
      ];
    },
  };
}

async function warmSlots({ stack }: ColdStack): Promise<readonly number[]> {
  return Promise.all(
    stack.endpoints.hosts.map(async ({ url, token }) => {
      const client = createJsonClient(token);
      try {
        const report = await client.call<HostReport>(`${url}/v1/state`, { timeoutMs: 5_000 });
        return report.slots.filter(({ state }) => state === 'warm' || state === 'building').length;
      } finally {
        client.close();
      }
    }),
  );
}

/** The target rises with every round: each host has as many as that, and not one more. */
export async function pool(scene: Scene, round: number): Promise<Run> {
  const { stack } = scene;
  const target = WARM + (round % 3);
  const before = await warmSlots(stack);
  await stack.cold('update pool_target set warm_per_host = $1', [target]);
  const id = workflowId.poolReplenishment(`kills-${round}`);
  await stack.cli.start('poolReplenishment', id, { size: 'small' });
  return {
    type: 'poolReplenishment',
    id,
    async judge() {
      await stack.cli.result<PoolResult>(id);
      const after = await warmSlots(stack);
      return after.flatMap((count, n) => {
        const most = Math.max(target, before[n] ?? 0);
        return count >= target && count <= most
          ? []
          : [`${id}: ${count} warm slots, not ${target} to ${most}`];
      });
    },
  };
}

/** Months that are over, with usage of a few hundred databases: rounds take one each. */
const monthOfRound = (round: number): string =>
  `20${String(15 + Math.floor(round / 12)).padStart(2, '0')}-${String((round % 12) + 1).padStart(2, '0')}`;

const DATABASES_PER_MONTH = 200;
const TENANTS = 20;
const INTERVAL_MS = 20 * HOUR_MS;

/** Usage as the relay would have folded it. */
export async function seedMonth({ stack }: Scene, round: number): Promise<void> {
  const from = monthPeriod(monthOfRound(round))?.from_ms ?? 0;
  await stack.cold(
    `insert into usage_interval (database_id, epoch, tenant, size, started_ms, stopped_ms, ended_ms)
     select 'month-' || $1::text || '-' || n, 1, 'kills-' || n % $2::int, 'small',
            $3::bigint + n * 1000, $3::bigint + n * 1000 + $4::bigint, $3::bigint + n * 1000 + $4::bigint
       from generate_series(1, $5::int) n`,
    [round, TENANTS, from, INTERVAL_MS, DATABASES_PER_MONTH],
  );
}

const TOTAL_MS = DATABASES_PER_MONTH * INTERVAL_MS;

export async function rollup(scene: Scene, round: number): Promise<Run> {
  const { cli, cold } = scene.stack;
  const period = monthPeriod(monthOfRound(round)) ?? { from_ms: 0, to_ms: 0 };
  const id = workflowId.billingRollup(new Date(period.from_ms).toISOString());
  await start(scene, 'billingRollup', id, period);
  return {
    type: 'billingRollup',
    id,
    async judge() {
      await cli.result<RollupResult>(id);
      const rows = await cold(
        'select sum(ms)::bigint::text from ledger_line where hour_ms >= $1 and hour_ms < $2',
        [period.from_ms, period.to_ms],
      );
      return expectEqual(`${id}: milliseconds in the ledger`, rows[0]?.[0], String(TOTAL_MS));
    },
  };
}

export async function close(scene: Scene, round: number): Promise<Run> {
  const { cli, cold } = scene.stack;
  const month = monthOfRound(round);
  const id = workflowId.billingClose(month);
  await start(scene, 'billingClose', id, { month, relay_look_ms: 500 });
  return {
    type: 'billingClose',
    id,
    async judge() {
      const { outcome } = await cli.result<CloseResult>(id);
      const rows = await cold(
        `select count(*)::int, count(*) filter (where state = 'issued')::int,
                sum((body::json ->> 'total_ms')::bigint)::text,
                (select sum(ms)::bigint::text from invoice_line where for_month = $1)
           from invoice where month = $1`,
        [month],
      );
      const should = [TENANTS, TENANTS, TOTAL_MS, TOTAL_MS].join();
      return [
        ...expectEqual(`${id}: outcome`, outcome, 'done'),
        ...expectEqual(`${id}: invoices`, rows[0]?.join(), should),
      ];
    },
  };
}
