/** A host that takes calls and does not answer: frozen, and not known to be yet. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import { createAgents } from '../../api/agents.ts';
import type { Context } from '../../api/context.ts';
import { documentOf } from '../../api/identity.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { createFleet } from '../../model/fleet.ts';
import type { SlotReport } from '../../model/wire.ts';

/** Of a caller who waits 5 s and has two apis; the change itself is still to come. */
const SHARE_MS = 2_500;
const ROOM_MS = 500;
const DATABASE = 'db-aaaaaaaaaaaaaaaaaaaa';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('is left for another while the caller still waits', async () => {
  const silent = await listen(() => undefined);
  const lively = await listen((_, response) => void response.end(JSON.stringify({ id: DATABASE })));
  const fleet = createFleet(() => 0.5);
  const slot: SlotReport = {
    ...{ size: 'small', slot: 1, state: 'running', directory: 'aaaaaaaaaaaaaaaa', epoch: 1 },
    ...{ database: DATABASE, address: { socket: '/run/x', port: 5432 } },
  };
  const report = { boot: 1, version: 1, capacity: { small: 2 } };
  const volume = { id: 'v', kind: 'shared', free_bytes: 1, total_bytes: 1 } as const;
  fleet.hear({ host: 'host-1', url: silent, ...report, slots: [slot], volume }, 0);
  fleet.hear({ host: 'host-2', url: lively, ...report, slots: [], volume }, 0);
  const client = createJsonClient('token');
  const context = {
    fleet,
    agents: createAgents(client, fleet),
    now: () => 0,
  } as unknown as Context;
  const began = performance.now();
  try {
    expect(await documentOf(context, DATABASE, '')).toEqual({ id: DATABASE });
    expect(performance.now() - began).toBeLessThan(SHARE_MS - ROOM_MS);
  } finally {
    client.close();
  }
});
