import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdir, rm } from 'node:fs/promises';
import { HEARTBEAT_LOST_MS } from '../../model/limits.ts';
import { createHoldings } from '../../host/holding.ts';
import { createLocks } from '../../host/lock.ts';
import { openVolume } from '../../host/volume.ts';
import { createLogger } from '../../lib/log.ts';
import { peekRunRecord } from '../../host/run-record.ts';
import { signal } from '../../host/processes.ts';
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

it('what one host runs the other refuses, and says who has it and as which epoch', async () => {
  const database = newDatabase();
  await one.create(database);
  expect(await refusal(two.attach(database, 2))).toMatchObject({
    code: 'held_elsewhere',
    data: { host: 'host-1', epoch: 1 },
  });
  await one.post('suspend', { database, epoch: 1, if_idle: false });
  expect(await two.attach(database, 2)).toMatchObject({ epoch: 2 });
  // And back, while the other one is asked at the same time.
  await two.post('suspend', { database, epoch: 2, if_idle: false });
  const both = await Promise.allSettled([one.attach(database, 3), two.attach(database, 3)]);
  expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

it('a host never kills what another one runs, although it finds it in its own /proc', async () => {
  const database = newDatabase();
  const { directory, address } = await two.create(database, 4);
  const client = await session(address);
  const volume = await openVolume(stage.volume.root);
  const holdings = createHoldings({
    volume,
    locks: createLocks({ enabled: true }),
    directories: { realData: () => Promise.resolve(volume.directory(directory).data) },
    heartbeat: { hasStoodStill: () => true },
    me: { host: 'host-1', boot: 1, machine: '' },
    log: createLogger('test', 'silent'),
  });
  await holdings.killLeftovers(directory);
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  expect(await holdings.probe(directory)).toBe('busy');
  await client.end();
  await two.post('suspend', { database, epoch: 1, if_idle: false });
});

it('an agent makes a second one of the same host refuse to start', async () => {
  await expect(stage.startHost({ host: 'host-1' })).rejects.toThrow(/another agent runs as host/);
});

it('a host that is gone is waited for until its heartbeat has stood still', async () => {
  const database = newDatabase();
  const { directory, address } = await one.create(database, 2);
  await query(address, 'create table kept (n int)', 'insert into kept values (1)');
  await one.kill();
  const killedAt = performance.now();
  for (const pid of await stage.processes(directory)) signal(pid, 'SIGKILL');
  await until('nothing is left', async () => (await stage.processes(directory)).length === 0);
  // The lock is free, but a dead writer is only certain by the heartbeat.
  expect(await refusal(two.attach(database, 2, 2))).toMatchObject({
    code: 'held_elsewhere',
    data: { host: 'host-1', epoch: 1 },
  });
  const taken = await until('the other host takes it', () =>
    two.attach(database, 2, 2).catch(() => undefined),
  );
  expect(performance.now() - killedAt).toBeGreaterThan(HEARTBEAT_LOST_MS - 1_500);
  expect(performance.now() - killedAt).toBeLessThan(2 * HEARTBEAT_LOST_MS);
  expect(await query(taken.address, 'select n from kept')).toEqual([{ n: 1 }]);
});

it('a host that can not renew its heartbeat kills what it runs, and comes back by itself', async () => {
  const database = newDatabase();
  const { directory } = await two.create(database, 3);
  const { heartbeat } = stage.volume.host('host-2');
  await rm(heartbeat);
  await mkdir(heartbeat);
  await until('it is fenced', async () => (await stage.processes(directory)).length === 0);
  expect(await refusal(two.attach(database, 2, 3))).toMatchObject({ code: 'fenced' });
  await rm(heartbeat, { recursive: true });
  await until('it takes work again', () => two.get('/readyz').catch(() => undefined));
  await until('the run is released', async () => {
    const record = await peekRunRecord(stage.volume.directory(directory).run);
    return record?.released === true;
  });
  expect(await two.attach(database, 2, 3)).toMatchObject({ epoch: 2 });
});

it('a volume that is taken away ends the agent and all that it runs', async () => {
  const database = newDatabase();
  const { directory } = await two.create(database, 5);
  const data = stage.volume.directory(directory).data;
  const { processesIn } = await import('../../host/processes.ts');
  expect(processesIn(new Set([data]))).not.toEqual([]);
  await rm(stage.volume.root, { recursive: true, force: true, maxRetries: 5 });
  await two.ended;
  await until('nothing is left', () => processesIn(new Set([data])).length === 0);
});
