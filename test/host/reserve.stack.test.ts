/** A volume that is nearly full: nothing new is put there, so that what is there goes on. Root only. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mountDisk, type Disk } from '../../bench/chaos/disk.ts';
import { isRoot } from '../../host/prepare.ts';
import {
  createStage,
  newDatabase,
  newIdentity,
  query,
  refusal,
  until,
  type Host,
  type Stage,
} from '../support/host.ts';

const asRoot = isRoot() ? test : test.skip;
const DISK_MB = 600;
const MB = 1024 * 1024;
/** 5 % of the disk are kept. */
const [ENOUGH_MB, LITTLE_MB] = [120, 20];

let stage: Stage;
let host: Host;
let disk: Disk | undefined;

beforeAll(async () => {
  stage = await createStage();
  disk = isRoot() ? await mountDisk(stage.volume.root, DISK_MB) : undefined;
  host = await stage.startHost({ slots: 'small=4' });
});
afterAll(async () => {
  // Its Postgres would go on in what is no longer mounted.
  await host.post('shutdown', { grace_ms: 1 });
  await disk?.unmount();
  await stage.remove();
});

const createOf = (source: 'warm' | 'clone') => {
  const database = newDatabase();
  return { database, size: 'small', source, identity: newIdentity(database) };
};

/** What the agent knows of its volume is a second old. */
const known = (holds: (freeMb: number) => boolean) =>
  until('the agent has seen it', async () => holds((await host.state()).volume.free_bytes / MB));

asRoot(
  'what is left is kept for the databases that are there',
  async () => {
    const first = newDatabase();
    await host.create(first);
    await host.post('warm', { size: 'small' });
    await disk?.fill(LITTLE_MB * MB);
    await known((free) => free <= LITTLE_MB);

    for (const source of ['clone', 'warm'] as const)
      expect(await refusal(host.post('create', createOf(source)))).toMatchObject({
        code: 'storage_full',
        detail: expect.stringMatching(/kept for/),
      });
    expect(await refusal(host.post('warm', { size: 'small' }))).toMatchObject({
      code: 'storage_full',
    });
    const metrics = await fetch(`${(await host.state()).url}/metrics`);
    const [, told] = /host_volume_bytes\{part="free"[^}]*\} (\d+)/.exec(await metrics.text()) ?? [];
    expect(Number(told) / MB).toBeLessThanOrEqual(LITTLE_MB);
    await host.post('suspend', { database: first, epoch: 1, if_idle: false });
    const { address } = await host.attach(first, 2);
    await query(address, 'create table t as select generate_series(1, 10000)');

    await disk?.empty();
    await known((free) => free > ENOUGH_MB);
    await host.post('create', createOf('warm'));
  },
  60_000,
);
