/** A database above its size takes no writes, until it has been made smaller. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { postgresErrorOf } from '../../db/client.ts';
import { databaseBytes } from '../../host/storage.ts';
import type { Identity } from '../../model/identity.ts';
import {
  createStage,
  newDatabase,
  query,
  session,
  until,
  type Host,
  type Stage,
} from '../support/host.ts';

const MIB = 1024 * 1024;
const ROOM_MIB = 40;
const FILL = `insert into filled select repeat(md5(n::text), 200) from generate_series(1, 2000) n`;

let stage: Stage;
let host: Host;
beforeAll(async () => {
  stage = await createStage();
  host = await stage.startHost({ host: 'host-1' });
});
afterAll(() => stage.remove());

async function limit(database: string, mib: number): Promise<void> {
  const document = await host.get<Identity>(`/v1/identity/${database}`);
  await host.put(`/v1/identity/${database}`, {
    expected_version: document.version,
    document: { ...document, limits: { storage_mib: mib } },
  });
}

const kindsOf = async (database: string): Promise<readonly string[]> =>
  (await stage.events('host-1'))
    .filter((event) => event.database === database && event.kind.startsWith('storage'))
    .map(({ kind }) => kind);

it('a database that outgrows its size is read-only, and writable when it has room again', async () => {
  const [big, other] = [newDatabase(), newDatabase()];
  const { directory, address } = await host.create(big);
  const beside = await host.create(other, 2);
  const empty = Math.ceil((await databaseBytes(stage.volume.directory(directory).data)) / MIB);
  await limit(big, empty + ROOM_MIB);
  await query(address, 'create table filled (text text)', 'create table kept as select 1 as n');
  const client = await session(address);
  // Stored as it is, a dozen MiB each time.
  await client.query('alter table filled alter column text set storage external');
  const failure = await until(
    'writes are refused',
    () =>
      client.query(FILL).then(
        () => undefined,
        (error: unknown) => error,
      ),
    40_000,
  );
  expect(postgresErrorOf(failure)).toMatchObject({ code: '25006' });
  expect(await query(address, 'select n from kept')).toEqual([{ n: 1 }]);
  await query(beside.address, 'create table fine (n int)');
  const noted = async (...kinds: string[]): Promise<unknown> =>
    until('it is noted', async () => (await kindsOf(big)).join() === kinds.join());
  await noted('storage_limited');
  // Whoever makes room says so.
  await client.query('begin read write; drop table filled; commit');
  await until(
    'writes are taken again',
    () =>
      client.query('insert into kept values (2)').then(
        () => true,
        () => false,
      ),
    40_000,
  );
  await client.end();
  await noted('storage_limited', 'storage_freed');
  expect(await kindsOf(other)).toEqual([]);
}, 120_000);
