/** Migrations in a database that runs: once, as the tenant's owner, and nothing of the tenant's gets up. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import type { ApplyAnswer, Incarnation } from '../../model/wire.ts';
import {
  createStage,
  newDatabase,
  query,
  refusal,
  session,
  until,
  type Host,
  type Stage,
} from '../support/host.ts';

let stage: Stage;
let host: Host;
let slot = 0;

beforeAll(async () => {
  stage = await createStage();
  host = await stage.startHost({ slots: 'small=20' });
});
afterAll(() => stage.remove());

const create = (idleMs = 300_000): Promise<Incarnation> =>
  host.create(newDatabase(), ++slot, { idle_ms: idleMs });

const request = (at: Incarnation, sql: string, over: Record<string, unknown> = {}) => ({
  database: at.database,
  epoch: at.epoch,
  name: '0001_test.sql',
  checksum: createHash('sha256').update(sql).digest('hex'),
  sql,
  lock_timeout_ms: 500,
  statement_timeout_ms: 5_000,
  ...over,
});

const apply = (at: Incarnation, sql: string, over: Record<string, unknown> = {}) =>
  host.post<ApplyAnswer>('apply', request(at, sql, over));

describe('a migration', () => {
  it('is applied once, as the owner, and recorded where the tenant can not write', async () => {
    const at = await create();
    const sql = 'create table t (n int); insert into t values (1); create index on t (n)';
    expect(await apply(at, sql)).toMatchObject({ outcome: 'applied' });
    expect(await apply(at, sql)).toMatchObject({ outcome: 'already_applied' });
    expect(await query(at.address, 'select count(*)::int as n from t')).toEqual([{ n: 1 }]);
    const owner = `select pg_get_userbyid(relowner) as owner from pg_class where relname = 't'`;
    expect(await query(at.address, owner)).toEqual([{ owner: 'owner' }]);
    const record =
      'select name, applied_at is not null as applied, ticket from pilotlight.migration';
    expect(await query(at.address, record)).toEqual([
      { name: '0001_test.sql', applied: true, ticket: null },
    ]);
    for (const forbidden of [
      'delete from pilotlight.migration',
      `insert into pilotlight.migration values ('0002_x.sql', 'x')`,
      'create table pilotlight.mine ()',
      'drop schema pilotlight cascade',
      `select pilotlight.record('0001_test.sql', 'guessed')`,
    ])
      await expect(query(at.address, forbidden)).rejects.toMatchObject({ code: '42501' });
  });

  it('of many calls at the same time is applied once', async () => {
    const at = await create();
    const sql = 'create table t (n int); insert into t select 1 from pg_sleep(0.2)';
    const answers = await Promise.all([apply(at, sql), apply(at, sql), apply(at, sql)]);
    expect(answers.map(({ outcome }) => outcome).sort()).toEqual([
      'already_applied',
      'already_applied',
      'applied',
    ]);
  });

  it('of a name that is applied with another checksum is refused', async () => {
    const at = await create();
    await apply(at, 'create table t ()');
    expect(await refusal(apply(at, 'create table u ()'))).toMatchObject({
      code: 'migration_conflict',
    });
  });

  it('that fails leaves nothing, and says the SQLSTATE and no word of Postgres', async () => {
    const at = await create();
    const sql = `create table t (n int unique); insert into t values (1); insert into t values (1)`;
    const error = await refusal(apply(at, sql));
    expect(error).toMatchObject({ code: 'migration_failed', data: { sqlstate: '23505' } });
    expect(JSON.stringify([error, error.message])).not.toMatch(/duplicate|Key|n\)/);
    expect(host.log()).not.toMatch(/duplicate key|insert into t/);
    expect(await query(at.address, `select to_regclass('t') as t`)).toEqual([{ t: null }]);
    // The name is free for the file that is right.
    expect(await apply(at, 'create table t ()')).toMatchObject({ outcome: 'applied' });
    const wrong = await refusal(apply(at, 'select 1; selec', { name: '0002_wrong.sql' }));
    expect(wrong).toMatchObject({ data: { sqlstate: '42601', at: '11' } });
  });

  it('can not end its transaction, and is not cut short by what it holds', async () => {
    const at = await create();
    const error = await refusal(apply(at, 'create table t (); commit; create table u ()'));
    expect(error).toMatchObject({ code: 'migration_failed', data: { sqlstate: '0A000' } });
    expect(await query(at.address, `select to_regclass('t') as t`)).toEqual([{ t: null }]);
    const nested = `do $$ begin execute $q$create table v ()$q$; end $$`;
    expect(await apply(at, nested, { name: '0002_n.sql' })).toMatchObject({ outcome: 'applied' });
  });

  it('waits for a lock and works no longer than it was told', async () => {
    const at = await create();
    await query(at.address, 'create table t ()');
    const client = await session(at.address);
    await client.query('begin; lock table t');
    const sql = 'alter table t add n int';
    const locked = await refusal(apply(at, sql, { lock_timeout_ms: 100 }));
    expect(locked.data).toMatchObject({ sqlstate: '55P03' });
    await client.end();
    const slow = await refusal(apply(at, 'select pg_sleep(9)', { statement_timeout_ms: 100 }));
    expect(slow.data).toMatchObject({ sqlstate: '57014' });
  });

  it('of an epoch that does not run here is refused, and so is what is not valid', async () => {
    const at = await create();
    const sql = 'select 1';
    expect(await refusal(apply(at, sql, { epoch: 9 }))).toMatchObject({ code: 'stale_epoch' });
    for (const over of [
      { name: 'x.sql' },
      { checksum: 'a'.repeat(64) },
      { sql: 5 },
      { lock_timeout_ms: 0 },
      { statement_timeout_ms: '5' },
      { database: 'x' },
    ])
      expect(await refusal(apply(at, sql, over))).toMatchObject({ code: 'bad_request' });
  });
});

describe("a tenant's own code in a migration", () => {
  const trigger = (body: string) => `
    create table t (n int);
    create function f() returns trigger language plpgsql as $$ begin ${body} return new; end $$;
    create trigger f before insert on t for each row execute function f();`;

  it.each([
    'reset session authorization;',
    'set session authorization pilot;',
    'reset role;',
    'set role pilot;',
  ])('does not become the superuser by: %s', async (escape) => {
    const at = await create();
    const steal = `${escape} create table stolen as select current_user::text as who, pg_read_file('postgresql.conf') as file;`;
    await query(at.address, trigger(steal));
    expect(await refusal(apply(at, 'insert into t values (1)'))).toMatchObject({
      code: 'migration_failed',
      data: { sqlstate: '42501' },
    });
  });

  it('does not forge a record, neither before the file nor beside it', async () => {
    const at = await create();
    const forge = `perform pilotlight.record('0001_test.sql', (select encode(ticket, 'hex') from pilotlight.migration));`;
    await query(at.address, trigger(forge));
    expect(await refusal(apply(at, 'insert into t values (1)'))).toMatchObject({
      data: { sqlstate: '42501' },
    });
  });

  it('is not run by the superuser from a schema of the same name', async () => {
    const at = await create();
    await query(
      at.address,
      `create schema pilotlight;
       create table pilotlight.migration (name text primary key, checksum text, applied_at timestamptz, ticket bytea);
       create function public.up() returns trigger language plpgsql as $$ begin execute 'alter role owner superuser'; return new; end $$;
       create trigger up before insert on pilotlight.migration for each row execute function public.up();`,
    );
    expect(await refusal(apply(at, 'select 1'))).toMatchObject({ code: 'migration_failed' });
    const rows = await query(at.address, `select rolsuper from pg_roles where rolname = 'owner'`);
    expect(rows).toEqual([{ rolsuper: false }]);
  });
});

describe('for idleness', () => {
  const asleep = (at: Incarnation) =>
    until(
      'it is asleep',
      async () => !(await host.state()).slots.some((s) => s.database === at.database),
      20_000,
    );

  it('a migration is not the work of the tenant', async () => {
    const at = await create(6_000);
    const began = performance.now();
    // In the second half of the idle time, over several looks at the sockets, until it is over.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await apply(at, 'create table t (); select pg_sleep(2.5)');
    await asleep(at);
    expect(performance.now() - began).toBeLessThan(9_500);
  });

  it('a database is not put to sleep in the middle of one, and right after it', async () => {
    const at = await create(300_000);
    const working = apply(at, 'create table t (); select pg_sleep(1)');
    await until('it works', async () => {
      const rows = await query(
        at.address,
        `select 1 from pg_stat_activity where application_name = 'pilotlight' and query like 'do %'`,
      );
      return rows.length > 0;
    });
    const suspend = () =>
      host.post('suspend', { database: at.database, epoch: at.epoch, if_idle: true });
    expect(await suspend()).toMatchObject({ outcome: 'busy' });
    expect(await working).toMatchObject({ outcome: 'applied' });
    expect(await suspend()).toMatchObject({ outcome: 'suspended' });
  });
});
