/** What apis see of an index while it is filled. Its only host is simulated (host/sim.ts). */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Server } from 'node:http';
import { databaseFind } from '../../db/hot/database-find.ts';
import { generationFind } from '../../db/hot/generation-find.ts';
import type { Hot } from '../../db/hot/hot.ts';
import { openHot } from '../../db/hot/pool.ts';
import { rebuildLook, rebuildShut } from '../../db/hot/rebuild-gate.ts';
import { rebuild, type RebuildResult } from '../../dev/rebuild/run.ts';
import { IDENTITIES_PER_PAGE } from '../../host/contract.ts';
import { createSimHost } from '../../host/sim.ts';
import { createSimVolume } from '../../host/sim-volume.ts';
import { fixedTokens } from '../../lib/fixed-tokens.ts';
import { freePort } from '../../lib/free-port.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { listen } from '../../lib/listen.ts';
import { createLogger } from '../../lib/log.ts';
import { hashToken } from '../../lib/tokens.ts';
import { codeOf } from '../../model/errors.ts';
import { createTestDatabase, urlAs, type TestDatabase } from '../support/database.ts';
import { databaseId, identityOf, openTestHot, run } from '../support/rows.ts';

const TOKEN = 'token of the simulated';
const DATABASES = 5 * IDENTITIES_PER_PAGE + 7;
const LAST = databaseId(DATABASES);
const client = createJsonClient(TOKEN);

let database: TestDatabase;
let hot: Hot;
let api: Hot;
let server: Server;
let stop: () => Promise<void>;
let url: string;

async function serveHost(): Promise<void> {
  url = `http://127.0.0.1:${await freePort()}`;
  const volume = createSimVolume();
  for (let n = 1; n <= DATABASES; n++)
    volume.bind(identityOf(databaseId(n)), volume.makeDirectory('host-1').id);
  const sim = createSimHost({ host: 'host-1', url, capacity: { small: 2 }, volume });
  const log = createLogger('test', 'silent');
  const tokens = fixedTokens({ operator: hashToken(TOKEN) });
  ({ server, stop } = await sim.serve({ apiUrls: ['http://127.0.0.1:1'], client, tokens, log }));
  await listen(server, Number(new URL(url).port), '127.0.0.1');
}

beforeAll(async () => {
  database = await createTestDatabase();
  hot = openTestHot(database.url);
  const onIdleError = (): void => undefined;
  api = openHot({ url: urlAs(database, 'pilotlight_api'), size: 1, onIdleError });
  await serveHost();
});
afterAll(async () => {
  await stop();
  server.close();
  server.closeAllConnections();
  client.close();
  await api.close();
  await hot.close();
  await database.drop();
});
beforeEach(async () => {
  for (const table of ['database', 'tenant', 'host', 'slot_vacant'])
    await run(hot, `delete from ${table}`);
});

const rebuildNow = (say: (line: string) => void = () => undefined): Promise<RebuildResult> =>
  rebuild({
    ...{ hot, say, migrate: () => Promise.resolve() },
    hosts: [{ id: 'host-1', url, client }],
  });

/** What an api is told of the last row to be made, from the first word of the rebuild on. */
async function lookOn(work: (begin: () => void) => Promise<unknown>): Promise<readonly string[]> {
  const seen: string[] = [];
  let looking: Promise<void> | undefined;
  let isOver = false;
  const look = async (): Promise<void> => {
    while (!isOver) {
      const found = databaseFind(api, LAST).then(
        (row) => row?.state ?? 'not there',
        (error: unknown) => codeOf(error),
      );
      seen.push(await found);
    }
  };
  await work(() => void (looking ??= look()));
  isOver = true;
  await looking;
  return seen;
}

test('they never take what has no row yet for what is not there', async () => {
  const seen = await lookOn(async (begin) => {
    expect(await rebuildNow(begin)).toMatchObject({ databases: DATABASES, missing: 0 });
  });
  expect(new Set(seen)).toContain('unavailable');
  expect(new Set(seen)).not.toContain('not there');
  expect(await databaseFind(hot, LAST)).toMatchObject({ state: 'suspended' });
  expect(await rebuildLook(hot)).toEqual({ schema: true, open: true });
});

test('of an index that lacks nothing they notice nothing', async () => {
  await rebuildNow();
  const generation = await generationFind(hot);
  await databaseFind(api, LAST).catch(() => undefined);
  const seen = await lookOn(async (begin) => {
    begin();
    expect(await rebuildNow()).toMatchObject({ made: 0, newer: 0, raised: 0, missing: 0 });
  });
  expect(new Set(seen)).toEqual(new Set(['suspended']));
  expect(await generationFind(hot)).toBe(generation);
});

test('one that was cut off is gone on with by the next, which lets them in', async () => {
  await rebuildNow();
  const generation = await generationFind(hot);
  await rebuildShut(hot);
  await rebuildNow();
  expect(await rebuildLook(hot)).toEqual({ schema: true, open: true });
  expect(await generationFind(hot)).not.toBe(generation);
});
