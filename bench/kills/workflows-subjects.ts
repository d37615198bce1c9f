/**
 * The workflows that are killed under, each with something real to do and rows that tell how often
 * it was done.
 */
import { stat } from 'node:fs/promises';
import { volumePaths } from '../../host/volume.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { monthPeriod, type CloseResult } from '../../model/cold/billing.ts';
import type { DeletionResult } from '../../model/cold/deletion.ts';
import { workflowId, type WorkflowType } from '../../model/cold/names.ts';
import type { HostReport } from '../../model/wire.ts';
import { login, until, type ColdDatabase, type ColdStack } from '../cold/stack.ts';

/** What a judge has found, a sentence for each. */
export interface Findings {
  readonly twice: readonly string[];
  readonly missing: readonly string[];
}

/** A workflow with something to do. What it takes is there; nothing has begun. */
export interface Play {
  readonly type: WorkflowType;
  readonly id: string;
  /** May be repeated until the server has said yes. */
  readonly start: () => Promise<void>;
  /** Once, after it has completed. */
  readonly judge: () => Promise<Findings>;
}

export interface Scene {
  readonly stack: ColdStack;
  /** Sleeping ones, whose files and passwords are changed in every play. */
  readonly databases: readonly ColdDatabase[];
  /** Their connection strings as of now, by id. */
  readonly urls: Map<string, string>;
  readonly folder: (files: Readonly<Record<string, string>>) => Promise<string>;
}

/** Something that is to have happened exactly so often. */
function counted(what: string, is: unknown, should: number): Findings {
  const text = `${what}: ${String(is)}, not ${should}`;
  if (Number(is) === should) return { twice: [], missing: [] };
  return Number(is) > should ? { twice: [text], missing: [] } : { twice: [], missing: [text] };
}

function expected(what: string, is: unknown, should: unknown): Findings {
  const missing = is === should ? [] : [`${what}: ${String(is)}, not ${String(should)}`];
  return { twice: [], missing };
}

const all = (findings: readonly Findings[]): Findings => ({
  twice: findings.flatMap(({ twice }) => twice),
  missing: findings.flatMap(({ missing }) => missing),
});

const INITIATOR = 'kills';

/** A row in each database for each time that a file was run there. */
export async function migration({ stack, databases, urls, folder }: Scene, n: number) {
  const name = `kills-${n}`;
  const id = workflowId.fleetMigration(name);
  const path = await folder({
    [`${String(n).padStart(4, '0')}_mark.sql`]: `create table if not exists mark (play integer);
insert into mark values (${n});
select pg_sleep(0.3);
`,
  });
  const targets = databases.map((database) => database.id);
  const input = { name, folder: path, targets, bake_ms: 500, batch: 3, concurrency: 2 };
  return {
    type: 'fleetMigration',
    id,
    start: () => stack.cli.start('fleetMigration', id, { ...input, initiator: INITIATOR }),
    async judge() {
      const items = await stack.cold(
        `select count(*)::int from run_item where run_id = $1 and state = 'done'`,
        [id],
      );
      const found = [counted(`${id}: items done`, items[0]?.[0], databases.length)];
      for (const database of databases) {
        const sql = `select count(*)::int from mark where play = ${n}`;
        const marks = await login(urls.get(database.id) ?? '', sql);
        found.push(counted(`${id}: marks in ${database.id}`, marks, 1));
        await stack.sleep(database.id);
      }
      return all(found);
    },
  } satisfies Play;
}

/**
 * An add that is done twice replaces the new password of the first: then the sealed one is refused.
 * @param scene whose `urls` have the new passwords afterwards.
 */
export function rotation({ stack, databases, urls }: Scene, n: number) {
  const name = `kills-${n}`;
  const id = workflowId.keyRotation(name);
  const targets = databases.map((database) => database.id);
  const input = { name, targets, grace_ms: 2_000, batch: 3, concurrency: 2 };
  return {
    type: 'keyRotation',
    id,
    start: () => stack.cli.start('keyRotation', id, { ...input, initiator: INITIATOR }),
    async judge() {
      const sealed = await stack.cold(
        'select count(*)::int from sealed_password where rotation = $1 and sealed is not null',
        [name],
      );
      const found = [counted(`${id}: sealed`, sealed[0]?.[0], databases.length)];
      for (const database of databases) {
        const old = await login(urls.get(database.id) ?? '');
        const url = await stack.openPassword(name, database);
        const fresh = await login(url);
        found.push(
          expected(`${id}: old password of ${database.id}`, old, 'refused'),
          fresh === 1
            ? all([])
            : { twice: [`${id}: ${database.id} ${String(fresh)}`], missing: [] },
        );
        urls.set(database.id, url);
        await stack.sleep(database.id);
      }
      return all(found);
    },
  } satisfies Play;
}

/** The one proof is that of the removal that found files; a second one would have found none. */
export async function deletion({ stack }: Scene) {
  const { id: database, directory } = await stack.create(INITIATOR);
  const id = workflowId.databaseDeletion(database);
  await stack.fleet.remove(database);
  // Dispatch's own run has a week's retention; it is there before it is replaced.
  await until(
    `dispatch starts ${id}`,
    60_000,
    async () => (await stack.cli.status(id)) !== undefined,
  );
  const data = volumePaths(stack.stack.endpoints.volume).directory(directory).data;
  return {
    type: 'databaseDeletion',
    id,
    async start() {
      await stack.cli.run(
        ...['workflow', 'start', '--type', 'databaseDeletion', '--task-queue', 'cold-deletion'],
        ...['--workflow-id', id, '--id-conflict-policy', 'TerminateExisting'],
        ...['--input', JSON.stringify({ database, retention_ms: 2_000, initiator: INITIATOR })],
      );
    },
    async judge() {
      const result = await stack.cli.result<DeletionResult>(id);
      const rows = await stack.cold(
        'select count(*)::int, sum(files)::int from purge where database_id = $1',
        [database],
      );
      const left = await stat(data).then(
        () => 1,
        () => 0,
      );
      const answered = result.outcome === 'purged' ? result.files : 0;
      return all([
        expected(`${id}: outcome`, result.outcome, 'purged'),
        counted(`${id}: proofs`, rows[0]?.[0], 1),
        expected(`${id}: files in its proof`, rows[0]?.[1], answered),
        expected(`${id}: a proof with files`, answered > 0, true),
        counted(`${id}: data left`, left, 0),
      ]);
    },
  } satisfies Play;
}

async function warmSlots({ stack }: ColdStack): Promise<readonly number[]> {
  return Promise.all(
    stack.endpoints.hosts.map(async ({ url, token }) => {
      const client = createJsonClient(token);
      try {
        const { slots } = await client.call<HostReport>(`${url}/v1/state`, { timeoutMs: 5_000 });
        return slots.filter(({ state }) => state === 'warm' || state === 'building').length;
      } finally {
        client.close();
      }
    }),
  );
}

/** Of these each host has to build in a play at least. */
const BUILDS_MIN = 2;

/** Each host is to have more than any has, so that it has to build and may not build one too many. */
export async function pool({ stack }: Scene, n: number) {
  const target = Math.max(...(await warmSlots(stack))) + BUILDS_MIN;
  await stack.cold('update pool_target set warm_per_host = $1', [target]);
  const id = workflowId.poolReplenishment(`kills-${n}`);
  return {
    type: 'poolReplenishment',
    id,
    start: () => stack.cli.start('poolReplenishment', id, { size: 'small' }),
    async judge() {
      const counts = await warmSlots(stack);
      return all(counts.map((count, i) => counted(`${id}: warm at host ${i + 1}`, count, target)));
    },
  } satisfies Play;
}

/** Months that are over: every play has one of its own. */
const monthOf = (n: number): string => new Date(Date.UTC(1990, n)).toISOString().slice(0, 7);

const INTERVALS = 4_000;
const TENANTS = 80;
const INTERVAL_MS = 3 * 3_600_000;
const TOTAL_MS = INTERVALS * INTERVAL_MS;

/** A month with usage, as the relay would have folded it. */
async function seedMonth({ stack }: Scene, n: number) {
  const month = monthOf(n);
  const period = monthPeriod(month);
  if (period === undefined) throw new Error(`BUG: no month: ${month}`);
  await stack.cold(
    `insert into usage_interval (database_id, epoch, tenant, size, started_ms, stopped_ms, ended_ms)
     select 'month-' || $1::text || '-' || i, 1, 'kills-' || i % $2::int, 'small',
            $3::bigint + i * 1000, $3::bigint + i * 1000 + $4::bigint, $3::bigint + i * 1000 + $4::bigint
       from generate_series(1, $5::int) i`,
    [n, TENANTS, period.from_ms, INTERVAL_MS, INTERVALS],
  );
  return { month, period };
}

const LEDGER_MS =
  'select sum(ms)::bigint::text from ledger_line where hour_ms >= $1 and hour_ms < $2';

export async function rollup(scene: Scene, n: number) {
  const { cli, cold } = scene.stack;
  const { period } = await seedMonth(scene, 2 * n);
  const id = workflowId.billingRollup(new Date(period.from_ms).toISOString());
  return {
    type: 'billingRollup',
    id,
    start: () => cli.start('billingRollup', id, { ...period, initiator: INITIATOR }),
    async judge() {
      const rows = await cold(LEDGER_MS, [period.from_ms, period.to_ms]);
      return counted(`${id}: milliseconds in the ledger`, rows[0]?.[0], TOTAL_MS);
    },
  } satisfies Play;
}

export async function close(scene: Scene, n: number) {
  const { cli, cold } = scene.stack;
  const { month, period } = await seedMonth(scene, 2 * n + 1);
  const id = workflowId.billingClose(month);
  const input = { month, relay_look_ms: 500, initiator: INITIATOR };
  return {
    type: 'billingClose',
    id,
    start: () => cli.start('billingClose', id, input),
    async judge() {
      const { outcome } = await cli.result<CloseResult>(id);
      const ledger = await cold(LEDGER_MS, [period.from_ms, period.to_ms]);
      const rows = await cold(
        `select count(*)::int, count(*) filter (where state = 'issued')::int,
                sum((body::json ->> 'total_ms')::bigint)::text,
                (select sum(ms)::bigint::text from invoice_line where for_month = $1)
           from invoice where month = $1`,
        [month],
      );
      const [invoices, issued, total, lines] = rows[0] ?? [];
      return all([
        expected(`${id}: outcome`, outcome, 'done'),
        counted(`${id}: milliseconds in the ledger`, ledger[0]?.[0], TOTAL_MS),
        counted(`${id}: invoices`, invoices, TENANTS),
        counted(`${id}: issued`, issued, TENANTS),
        counted(`${id}: milliseconds in invoices`, total, TOTAL_MS),
        counted(`${id}: milliseconds in lines`, lines, TOTAL_MS),
      ]);
    },
  } satisfies Play;
}
