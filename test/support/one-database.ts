/** One database that runs on one simulated host, anew for each test of a file. */
import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import type { Context } from '../../api/context.ts';
import { createDatabase } from '../../api/create.ts';
import { databaseFind } from '../../db/hot/database-find.ts';
import type { Hot } from '../../db/hot/hot.ts';
import type { SimHost } from '../../host/sim.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { openTestHot, run } from './rows.ts';
import { createSimFleet, type SimFleet } from './sim-fleet.ts';

const SPEC = {
  ...({ size: 'small', idle_ms: 1_000, idle_sessions: 'close', tls: 'optional' } as const),
  ...{ tenant: 'a', ignore: [], allow: [], labels: {} },
};
const TABLES = ['assignment', 'database', 'tenant', 'host', 'slot_vacant', 'slot_warm', 'resync'];

export interface One {
  readonly hot: Hot;
  readonly fleet: SimFleet;
  readonly host: SimHost;
  readonly id: string;
  readonly state: () => Promise<string | undefined>;
}

/** @returns what a test calls to get it. */
export function oneDatabase(): () => One {
  let database: TestDatabase;
  let hot: Hot;
  let one: One;
  beforeAll(async () => {
    database = await createTestDatabase();
    hot = openTestHot(database.url, 4);
  });
  afterAll(async () => {
    await hot.close();
    await database.drop();
  });
  beforeEach(async () => {
    for (const table of TABLES) await run(hot, `delete from ${table}`);
    const fleet = createSimFleet(hot, { small: 2 }, ['host-1']);
    const host = fleet.hosts.get('host-1');
    if (host === undefined) throw new Error('BUG: no host');
    await fleet.sync();
    const context = { ...fleet.parts, fleetSecret: 's', proxyAddress: 'p' } as unknown as Context;
    const { id } = await createDatabase(context, { spec: SPEC, key: undefined, requestId: '' });
    await fleet.parts.fleet.told(id);
    const state = async () => (await databaseFind(hot, id))?.state;
    one = { hot, fleet, host, id, state };
  });
  return () => one;
}
