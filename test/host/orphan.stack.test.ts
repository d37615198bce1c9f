import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocks } from '../../host/lock.ts';
import { peekRunRecord } from '../../host/run-record.ts';
import { signal } from '../../host/processes.ts';
import { HEARTBEAT_LOST_MS } from '../../model/limits.ts';
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

/** A statement that keeps a backend in its own code for a minute: it does not notice its postmaster. */
const LONG = 'do $$ begin for i in 1..600000000 loop perform 1; end loop; end $$';

let stage: Stage;
let one: Host;
let two: Host;

beforeAll(async () => {
  stage = await createStage();
  [one, two] = await Promise.all([
    stage.startHost({ host: 'host-1' }),
    stage.startHost({ host: 'host-2' }),
  ]);
});

afterAll(() => stage.remove());

const postmasterOf = async (directory: string): Promise<number> => {
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(`${stage.volume.directory(directory).data}/postmaster.pid`, 'utf8');
  return Number(text.split('\n')[0]);
};

it('a busy backend that outlives its postmaster keeps every other host out', async () => {
  const database = newDatabase();
  const { directory, address } = await one.create(database);
  await query(address, 'create table kept (n int)', 'insert into kept values (1)');
  const busy = await session(address);
  const ended = busy.query(LONG).catch(() => 'broken');
  await until('the statement runs', async () => {
    const active = "select 1 from pg_stat_activity where state = 'active' and query like 'do %'";
    return (await query(address, active)).length === 1;
  });
  // Its agent is gone as well, so that nobody cleans up.
  await one.kill();
  signal(await postmasterOf(directory), 'SIGKILL');
  await until('the postmaster is gone', async () => {
    const left = await stage.processes(directory);
    return left.length === 1;
  });
  const locks = createLocks({ enabled: true });
  expect(await locks.take(stage.volume.directory(directory).lock)).toBe('busy');
  // Not even when its heartbeat has stood still for long enough.
  await sleep(HEARTBEAT_LOST_MS + 500);
  expect(await refusal(two.attach(database, 2))).toMatchObject({
    code: 'held_elsewhere',
    data: { host: 'host-1', epoch: 1 },
  });
  // The next agent of that host kills what is left, and says so on the volume.
  one = await stage.startHost({ host: 'host-1' });
  expect(await stage.processes(directory)).toEqual([]);
  expect(await peekRunRecord(stage.volume.directory(directory).run)).toMatchObject({
    epoch: 1,
    released: true,
  });
  const next = await two.attach(database, 2);
  expect(await query(next.address, 'select n from kept')).toEqual([{ n: 1 }]);
  await busy.end().catch(() => undefined);
  await ended;
});

it('a crash is a new epoch in place, with all that was committed', async () => {
  const database = newDatabase();
  const { directory, address } = await one.create(database, 2);
  await query(address, 'create table kept (n int)', 'insert into kept values (1)');
  const busy = await session(address);
  void busy.query(LONG).catch(() => undefined);
  await sleep(100);
  signal(await postmasterOf(directory), 'SIGKILL');
  const again = await until('epoch 2 runs', async () => {
    const { slots } = await one.state();
    return slots.find((slot) => slot.database === database && slot.epoch === 2 && slot.address);
  });
  expect(again.slot).toBe(2);
  if (again.address === undefined) throw new Error('no address');
  expect(await query(again.address, 'select n from kept')).toEqual([{ n: 1 }]);
  // The api's own answer to the crash finds it done.
  expect(await one.attach(database, 2, 2)).toMatchObject({ epoch: 2 });
  await busy.end().catch(() => undefined);
  for (const epoch of [2, 3]) {
    signal(await postmasterOf(directory), 'SIGKILL');
    await until(`epoch ${epoch + 1} runs`, async () => {
      const { slots } = await one.state();
      return slots.find((slot) => slot.epoch === epoch + 1 && slot.state === 'running');
    });
  }
  signal(await postmasterOf(directory), 'SIGKILL');
  await until('it is left down', async () => (await one.state()).slots.length === 0);
  const kinds = (await stage.events('host-1'))
    .filter((event) => event.database === database)
    .map(({ kind, epoch }) => `${kind} ${epoch}`);
  expect(kinds).toEqual([
    'created 1',
    'started 1',
    ...[1, 2, 3].flatMap((epoch) => [`crashed ${epoch}`, `started ${epoch + 1}`]),
    'crashed 4',
  ]);
  expect(await one.attach(database, 5, 2)).toMatchObject({ epoch: 5 });
});

it('a killed backend ends its epoch too: Postgres does not start again inside it', async () => {
  const database = newDatabase();
  const { address } = await one.create(database, 3);
  const client = await session(address);
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  signal(rows[0]?.pid ?? 0, 'SIGKILL');
  await until('epoch 2 runs', async () => {
    const { slots } = await one.state();
    return slots.some((slot) => slot.database === database && slot.epoch === 2 && slot.address);
  });
  await client.end().catch(() => undefined);
});

it('a postmaster that does not answer gives way to the epoch that is asked for', async () => {
  const database = newDatabase();
  const { directory, address } = await one.create(database, 4);
  await query(address, 'create table kept (n int)', 'insert into kept values (1)');
  signal(await postmasterOf(directory), 'SIGSTOP');
  const next = await one.attach(database, 2, 4);
  expect(next.epoch).toBe(2);
  expect(await query(next.address, 'select n from kept')).toEqual([{ n: 1 }]);
});
