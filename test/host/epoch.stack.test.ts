import { chown, open, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BLOCK_BYTES, openRunFile, peekRunRecord } from '../../host/run-record.ts';
import type { Incarnation } from '../../model/wire.ts';
import {
  createStage,
  newDatabase,
  query,
  refusal,
  type Host,
  type Stage,
} from '../support/host.ts';

let stage: Stage;
let host: Host;

beforeAll(async () => {
  stage = await createStage();
  host = await stage.startHost();
});

afterAll(() => stage.remove());

const suspend = (database: string, epoch: number): Promise<{ outcome: string }> =>
  host.post('suspend', { database, epoch, if_idle: false });

describe('an epoch', () => {
  const database = newDatabase();
  let first: Incarnation;

  beforeAll(async () => {
    first = await host.create(database);
    await query(first.address, 'create table kept (n int)', 'insert into kept values (7)');
  });

  it('is minted as it is asked for, and its rows are those of the one before', async () => {
    expect(first.epoch).toBe(1);
    expect(await suspend(database, 1)).toMatchObject({ outcome: 'suspended' });
    const third = await host.attach(database, 3);
    expect(third).toMatchObject({ database, epoch: 3, directory: first.directory });
    expect(await query(third.address, 'select n from kept')).toEqual([{ n: 7 }]);
  });

  it('is answered the same however often it is asked for', async () => {
    const again = await Promise.all([1, 2, 3].map(() => host.attach(database, 3)));
    expect(new Set(again.map(({ address }) => address.socket)).size).toBe(1);
    expect(await stage.processes(first.directory)).not.toHaveLength(0);
  });

  it('is refused with what is minted once it has been used', async () => {
    expect(await refusal(host.attach(database, 2))).toMatchObject({
      code: 'stale_epoch',
      data: { minted: 3 },
    });
    await suspend(database, 3);
    for (const asked of [1, 2, 3])
      expect(await refusal(host.attach(database, asked))).toMatchObject({
        code: 'stale_epoch',
        data: { minted: 3 },
      });
  });

  it('is used up by a crash between minting and spawning', async () => {
    const file = await openRunFile(stage.volume.directory(first.directory).run);
    const last = await file?.read();
    if (file === undefined || last === undefined) throw new Error('no run record');
    await file.write(last, { ...last, epoch: 4, released: false });
    await file.close();
    expect(await refusal(host.attach(database, 4))).toMatchObject({ data: { minted: 4 } });
    expect(await host.attach(database, 5)).toMatchObject({ epoch: 5 });
    await suspend(database, 5);
  });

  it('survives a torn write of its record, which leaves the one before', async () => {
    const { run } = stage.volume.directory(first.directory);
    const record = await peekRunRecord(run);
    const next = ((record?.sequence ?? 0) + 1) % 2;
    const file = await open(run, 'r+');
    await file.write(Buffer.alloc(BLOCK_BYTES / 2, 0xff), 0, BLOCK_BYTES / 2, next * BLOCK_BYTES);
    await file.close();
    expect(await peekRunRecord(run)).toEqual(record);
    expect(await host.attach(database, 6)).toMatchObject({ epoch: 6 });
    await suspend(database, 6);
  });

  it('is not kept back by the note of a postmaster whose number lives elsewhere', async () => {
    const { data } = stage.volume.directory(first.directory);
    const pidFile = `${data}/postmaster.pid`;
    const lines = [process.pid, data, 1, 5432, '', '', '     0     0', 'ready', ''];
    await writeFile(pidFile, lines.join('\n'), { mode: 0o600 });
    if (process.getuid?.() === 0) {
      const { uid } = await stat(data);
      await chown(pidFile, uid, uid);
    }
    // Its own epoch: the ones above are used up.
    expect(await host.attach(database, 7)).toMatchObject({ epoch: 7 });
    await suspend(database, 7);
  });

  it('is not asked for against one that is alive and well', async () => {
    const running = await host.attach(database, 8);
    expect(await refusal(host.attach(database, 9))).toMatchObject({
      code: 'stale_epoch',
      data: { minted: 8 },
    });
    expect(await query(running.address, 'select 1 as one')).toEqual([{ one: 1 }]);
    await suspend(database, 8);
  });
});

describe('a slot', () => {
  it('that is taken is refused to another database, and every refusal counts the version up', async () => {
    const [one, two] = [newDatabase(), newDatabase()];
    const made = await host.create(one, 2);
    const refused = await refusal(host.create(two, 2));
    expect(refused.code).toBe('slot_taken');
    expect(Number(refused.data?.['version'])).toBeGreaterThan(made.version);
    const { slots } = await host.state();
    expect(slots).toEqual([expect.objectContaining({ slot: 2, database: one, state: 'running' })]);
  });

  it('is vacant again after a start that failed, with the reason in the words of Postgres', async () => {
    const database = newDatabase();
    const { directory } = await host.create(database, 3);
    await suspend(database, 1);
    const control = `${stage.volume.directory(directory).data}/global/pg_control`;
    const file = await open(control, 'r+');
    await file.write(Buffer.alloc(512, 0), 0, 512, 0);
    await file.close();
    const refused = await refusal(host.attach(database, 2, 3));
    expect(refused.code).toBe('start_failed');
    expect(refused.detail).toMatch(/\w/);
    expect(refused.detail).not.toContain(stage.root);
    expect((await host.state()).slots.map(({ slot }) => slot)).not.toContain(3);
    expect(await peekRunRecord(stage.volume.directory(directory).run)).toMatchObject({
      epoch: 2,
      released: true,
    });
    expect(await stage.processes(directory)).toEqual([]);
  });
});
