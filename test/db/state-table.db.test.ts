/** docs/spec.md: every state x input, driven through the statements that carry it out. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { assignmentSweep } from '../../db/hot/assignment-sweep.ts';
import { databaseFind } from '../../db/hot/database-find.ts';
import { databaseIdentity } from '../../db/hot/database-identity.ts';
import { databaseRunning } from '../../db/hot/database-running.ts';
import { databaseStart } from '../../db/hot/database-start.ts';
import { databaseStartAgain } from '../../db/hot/database-start-again.ts';
import { databaseStartFailed } from '../../db/hot/database-start-failed.ts';
import { databaseKept, databaseSuspend, databaseSuspended } from '../../db/hot/database-suspend.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { STATES } from '../../model/state.ts';
import { INPUTS, transition, type Cell, type Input } from '../../model/transitions.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  HOST,
  databaseId,
  givenDatabase,
  identityOf,
  incarnationOf,
  openTestHot,
  reportOf,
  run,
  runningSlot,
  slotsInTwoPlaces,
  startOf,
  stateOf,
  DIRECTORY,
} from '../support/rows.ts';

const EPOCH = 7;
const SLOT = 1;

let database: TestDatabase;
let hot: Hot;
let version = 100;
let next = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url);
});
afterAll(async () => {
  await hot.close();
  await database.drop();
});

type Drive = (id: string, epoch: number) => Promise<unknown>;

/** A start as the api makes it: the stale way first where there is one, else the claim. */
async function start(id: string, stale: number | null): Promise<void> {
  const again = stale === null ? undefined : await databaseStartAgain(hot, id, stale, 30_000);
  const claimed = again ?? (await databaseStart(hot, startOf(id)));
  if (claimed !== undefined) return;
  const row = await stateOf(hot, id);
  if (row?.state === 'suspending') await databaseStartAgain(hot, id, null, 30_000);
}

const document = (id: string, deleted_at: string | null) =>
  databaseIdentity(hot, { ...identityOf(id), directory: DIRECTORY, version: 2, deleted_at });

const DRIVES: Readonly<Record<Input, Drive>> = {
  start: (id) => start(id, null),
  start_stale: (id, epoch) => start(id, epoch),
  started: (id, epoch) => databaseRunning(hot, HOST, incarnationOf(id, epoch)),
  start_failed: (id, epoch) => databaseStartFailed(hot, id, epoch, true, 'test'),
  suspend: (id, epoch) => databaseSuspend(hot, id, epoch, 40_000),
  suspended: (id, epoch) => databaseSuspended(hot, id, epoch, { boot: 1, version: 6 }),
  kept: (id, epoch) => databaseKept(hot, id, epoch),
  sync_running: (id, epoch) => hostSync(hot, reportOf(version++, [runningSlot(id, epoch, SLOT)])),
  sync_absent: () => hostSync(hot, reportOf(version++, [])),
  deadline: async (id) => {
    await run(
      hot,
      `update assignment set deadline = now() - interval '1 s' where database_id = $1`,
      [id],
    );
    await assignmentSweep(hot, '');
  },
  delete: (id) => document(id, '2026-11-23T00:00:00.000Z'),
  undelete: (id) => document(id, null),
};

async function clear(): Promise<void> {
  await run(hot, 'delete from assignment');
  await run(hot, 'delete from database');
  await run(hot, 'delete from slot_vacant');
  await hostSync(hot, reportOf(version++, []));
}

function expected(cell: Cell, state: string): { state: string; epoch: number } {
  if ('stay' in cell) return { state, epoch: EPOCH };
  const epochs = { kept: EPOCH, raised: EPOCH + 1, reported: EPOCH - 1 };
  return { state: cell.next, epoch: epochs[cell.epoch] };
}

const cases = STATES.flatMap((state) =>
  INPUTS.flatMap((input) => [true, false].map((current) => ({ state, input, current }))),
);

describe('the statements carry out the table of states', () => {
  it.each(cases)(
    '$state on $input (current epoch: $current)',
    async ({ state, input, current }) => {
      await clear();
      const id = databaseId(next++);
      await givenDatabase(hot, { id, state, epoch: EPOCH, slot: SLOT });
      await run(hot, 'delete from slot_vacant where slot = $1', [SLOT]);
      await DRIVES[input](id, current ? EPOCH : EPOCH - 1);
      // A report's absence carries no epoch of its own: it is held against the assignment's version.
      const cell = transition(state, input, current || input === 'sync_absent');
      expect(await stateOf(hot, id)).toEqual(expected(cell, state));
      expect(await slotsInTwoPlaces(hot)).toBe(0);
    },
  );
});

it.each(['running', 'suspending'] as const)(
  'the epoch after one that is %s begins without the address of that one',
  async (state) => {
    await clear();
    const id = databaseId(next++);
    await givenDatabase(hot, { id, state, epoch: EPOCH, slot: SLOT });
    await databaseStartAgain(hot, id, EPOCH, 30_000);
    expect(await databaseFind(hot, id)).toMatchObject({
      ...{ state: 'starting', epoch: EPOCH + 1, assigned_epoch: EPOCH + 1 },
      ...{ socket: null, port: null },
    });
  },
);

describe('a database that fails to start again and again', () => {
  it('is parked as broken with its reason, and tried again only after the back-off', async () => {
    await clear();
    const id = databaseId(next++);
    await givenDatabase(hot, { id, state: 'suspended', epoch: 1, slot: SLOT });
    for (let failures = 1; failures <= 5; failures++) {
      const claim = await databaseStart(hot, startOf(id));
      const state = await databaseStartFailed(hot, id, claim?.epoch ?? 0, true, 'no such file');
      expect(state).toBe(failures < 5 ? 'suspended' : 'broken');
    }
    expect(await databaseStart(hot, startOf(id))).toBeUndefined();
    await run(hot, `update database set retry_at = now() - interval '1 s' where id = $1`, [id]);
    expect(await databaseStart(hot, startOf(id))).toMatchObject({ host: HOST });
  });

  it("is tried at once by an operator's start", async () => {
    await clear();
    const id = databaseId(next++);
    await givenDatabase(hot, { id, state: 'broken', epoch: 1, slot: SLOT });
    expect(await databaseStart(hot, startOf(id, { force: true }))).toMatchObject({ epoch: 2 });
  });
});
