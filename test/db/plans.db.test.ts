/**
 * What the statements of db/hot cost does not grow with the fleet. Plans are made once and kept, so they
 * are made here while the tables are empty, and judged when they are not.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Client } from '../../db/client.ts';
import { assignmentSweep } from '../../db/hot/assignment-sweep.ts';
import { databaseAdopt, databaseMissing } from '../../db/hot/database-adopt.ts';
import { databaseCreate, databaseCreateUndo } from '../../db/hot/database-create.ts';
import { databaseFind } from '../../db/hot/database-find.ts';
import { databaseHeld } from '../../db/hot/database-held.ts';
import { databaseIdentity } from '../../db/hot/database-identity.ts';
import { databaseList } from '../../db/hot/database-list.ts';
import { databaseRaise } from '../../db/hot/database-raise.ts';
import { databaseRunning } from '../../db/hot/database-running.ts';
import { databaseStart, start } from '../../db/hot/database-start.ts';
import { databaseStartAgain } from '../../db/hot/database-start-again.ts';
import { databaseStartFailed } from '../../db/hot/database-start-failed.ts';
import { databaseKept, databaseSuspend, databaseSuspended } from '../../db/hot/database-suspend.ts';
import { eventInsert } from '../../db/hot/event-insert.ts';
import { generationFind } from '../../db/hot/generation-find.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import {
  generationRenew,
  rebuildIsEmpty,
  rebuildLook,
  rebuildOpen,
  rebuildShut,
  resyncAsk,
} from '../../db/hot/rebuild-gate.ts';
import { rebuildBehind, rebuildPage, rebuildStrangers } from '../../db/hot/rebuild-page.ts';
import { tenantFind } from '../../db/hot/tenant-find.ts';
import { resyncFind } from '../../db/hot/resync-find.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  DIRECTORY,
  HOST,
  databaseId,
  identityOf,
  incarnationOf,
  openTestHot,
  reportOf,
  run,
  startOf,
} from '../support/rows.ts';

/** Enough that reading a table from end to end is never the better plan. */
const ROWS = 20_000;
/** Times that a claim may touch a page. */
const HITS_MAX = 100;
const POOL_TABLES = [
  'assignment',
  'database',
  'event',
  'host',
  'slot_vacant',
  'slot_warm',
  'tenant',
];

let database: TestDatabase;
let hot: Hot;
let other: Client;
let version = 1;

/** Each statement of db/hot at least once, in a session of its own for each kind of commit. */
async function all(): Promise<void> {
  const id = databaseId(9999);
  await hostSync(hot, reportOf(version++, [], 4));
  await databaseCreate(hot, identityOf(id), [HOST], 30_000, 10);
  await databaseRunning(hot, HOST, incarnationOf(id, 1));
  await databaseSuspend(hot, id, 1, 40_000);
  await databaseKept(hot, id, 1);
  await resyncFind(hot);
  await databaseSuspended(hot, id, 1, { boot: 1, version: 9 });
  await databaseStart(hot, startOf(id, { hosts: [] }));
  await databaseStart(hot, startOf(id, { floor: 0 }));
  await databaseRaise(hot, id, 2, 5);
  await databaseStartFailed(hot, id, 6, true, 'test');
  await databaseStart(hot, startOf(id));
  await databaseHeld(hot, id, 7, HOST, 5);
  await databaseStartAgain(hot, id, null, 30_000);
  await databaseFind(hot, id);
  const filter = { after: '', tenants: null, state: null, labels: null, limit: 10 };
  await databaseList(hot, filter);
  await databaseList(hot, { ...filter, tenants: ['t1'] });
  await databaseIdentity(hot, { ...identityOf(id), directory: DIRECTORY, version: 2 });
  await databaseCreateUndo(hot, id);
  await databaseMissing(hot, [id]);
  await databaseAdopt(
    hot,
    { ...identityOf(databaseId(9997)), directory: DIRECTORY, version: 1 },
    HOST,
  );
  await assignmentSweep(hot, '');
  await tenantFind(hot, id, null, 100);
  await generationFind(hot);
  const event = { host: HOST, boot: 1, seq: version, kind: 'started', at: '2026-11-23T00:00:00Z' };
  await eventInsert(hot, [
    { ...event, kind: 'started', directory: DIRECTORY, epoch: 1, size: 'small' },
  ]);
  // The second forms of gathered statements, for what has no row in the first.
  await databaseRunning(hot, HOST, incarnationOf(databaseId(9998), 1));
  await databaseSuspend(hot, databaseId(9998), 1, 1);
  await databaseSuspended(hot, databaseId(9998), 1, { boot: 1, version: 1 });
  await run(hot, 'delete from database where id = $1', [id]);
  await run(hot, 'delete from assignment where database_id = $1', [id]);
  await allOfRebuild();
}

async function allOfRebuild(): Promise<void> {
  const id = databaseId(9996);
  const doc = { ...identityOf(id), directory: DIRECTORY, version: 1 };
  const rest = { limits: {}, host: HOST, epoch: version, released: true, purged: false };
  await rebuildLook(hot);
  await rebuildIsEmpty(hot);
  await rebuildShut(hot);
  await generationRenew(hot);
  await rebuildBehind(hot, [{ doc, ...rest }]);
  await rebuildPage(hot, [{ doc, ...rest }]);
  await rebuildStrangers(hot, id, null, []);
  await resyncAsk(hot, [HOST]);
  await rebuildOpen(hot);
}

async function fill(): Promise<void> {
  const rows = [
    `insert into host (host_id, url, boot, version)
     select 'h' || n, 'http://127.0.0.1:1', 1, 1 from generate_series(1, 2000) n`,
    `insert into slot_vacant (host_id, size, slot) select 'h1', 'small', n from generate_series(1, ${ROWS}) n`,
    `insert into slot_warm (host_id, size, slot, directory)
     select 'h2', 'small', n, 'd' from generate_series(1, ${ROWS}) n`,
    `insert into tenant (name) select 't' || n from generate_series(1, ${ROWS}) n`,
    `insert into database (id, tenant, size, state, epoch, identity, identity_version)
     select 'db-' || n, 't1', 'small', 'suspended', 1, '{}', 1 from generate_series(1, ${ROWS}) n`,
    `insert into assignment (database_id, tenant, host_id, size, slot, epoch)
     select 'dx-' || n, 't' || n, 'h3', 'small', n, 1 from generate_series(1, ${ROWS}) n`,
    `insert into event (host_id, boot, seq, kind, at)
     select 'h1', 1, n, 'x', now() from generate_series(1, ${ROWS}) n`,
  ];
  for (const text of rows) await other.query(text);
}

/** Scans from end to end, by table. Each session keeps its counts for up to a second, unless told not to. */
async function scans(): Promise<Map<string, number>> {
  const flush = { name: '', text: 'select pg_stat_force_next_flush()' };
  for (const ask of [hot.quick, hot.durable]) await ask(flush, []);
  await other.query(flush.text);
  await other.query('select pg_stat_clear_snapshot()');
  const found = await other.query(
    `select relname::text, seq_scan::integer from pg_stat_user_tables`,
  );
  return new Map(found.rows.map(([table, count]) => [String(table), Number(count)]));
}

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url, 1);
  other = await connect(database.url);
  // Autovacuum would tell the planner of a small table that it is small, just before it is filled.
  for (const table of POOL_TABLES)
    await other.query(`alter table ${table} set (autovacuum_enabled = off)`);
  await all();
  await fill();
});
afterAll(async () => {
  await other.end();
  await hot.close();
  await database.drop();
});

describe('the statements of db/hot', () => {
  it('are all run by this test', async () => {
    const folder = join(PACKAGE_ROOT, 'db', 'hot');
    const named = readdirSync(folder)
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [
        ...readFileSync(join(folder, file), 'utf8').matchAll(
          /(?:(?<!\w)name: |callOf\()'([^']+)'/g,
        ),
      ])
      .map(([, name]) => name?.replaceAll('_', '-'));
    const text = 'select name from pg_prepared_statements';
    const prepared = await Promise.all(
      [hot.quick, hot.durable].map((ask) => ask<{ name: string }>({ name: '', text }, [])),
    );
    expect(named.length).toBeGreaterThan(20);
    const asked = new Set(prepared.flat().map(({ name }) => name));
    expect(named.filter((name) => !asked.has(name ?? ''))).toEqual([]);
  });

  it('read no table from end to end, though planned while all were empty', async () => {
    const before = await scans();
    await all();
    const after = await scans();
    const read = POOL_TABLES.filter((table) => after.get(table) !== before.get(table));
    expect(read).toEqual([]);
  });

  it('are planned without such a read when the tables are large', async () => {
    await other.query('analyze');
    for (const ask of [hot.quick, hot.durable]) {
      // A `do` has no plan.
      const text = `select name, statement from pg_prepared_statements
                     where name <> '' and statement !~ '^\\s*do '`;
      const prepared = await ask<{ name: string; statement: string }>({ name: '', text }, []);
      for (const { name, statement } of prepared) {
        const explain = { name: '', text: `explain (generic_plan) ${statement}` };
        const plan = await ask<{ 'QUERY PLAN': string }>(explain, []);
        const lines = plan.map((row) => row['QUERY PLAN']);
        expect([name, lines.filter((line) => /Seq Scan on (?!generation)/.test(line))]).toEqual([
          name,
          [],
        ]);
      }
    }
  });
});

describe('a claim', () => {
  it('walks over few dead rows, wherever earlier claims left them and while none may be removed', async () => {
    const holder = await connect(database.url);
    await holder.query('begin isolation level repeatable read');
    await holder.query('select count(*) from tenant');
    await other.query(`delete from slot_vacant where host_id = 'h1' and slot <= ${ROWS / 2}`);
    const values = Object.values(startOf('db-1', { hosts: ['h1'] }));
    let most = 0;
    for (let n = 0; n < 50; n++) {
      await other.query('begin');
      const plan = await other.query(
        `explain (analyze, buffers, timing off) ${start.one.text}`,
        values,
      );
      await other.query('rollback');
      const hits = plan.rows.map(([line]) =>
        Number(/shared hit=(\d+)/.exec(String(line))?.[1] ?? 0),
      );
      // The first one reads the catalog for its plans.
      if (n > 0) most = Math.max(most, ...hits);
    }
    await holder.query('rollback');
    await holder.end();
    // Half of the slots are dead: of those in a row 20 are one in a million.
    expect(most).toBeGreaterThan(10);
    expect(most).toBeLessThan(HITS_MAX);
  });
});
