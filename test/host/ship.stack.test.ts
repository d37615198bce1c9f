import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Server } from 'node:http';
import { createJsonServer } from '../../lib/http-server.ts';
import { listen } from '../../lib/listen.ts';
import { freePort } from '../../lib/free-port.ts';
import { createLogger } from '../../lib/log.ts';
import { AppError } from '../../model/errors.ts';
import type { AgentEvent, HostReport } from '../../model/wire.ts';
import { createStage, newDatabase, until, type Host, type Stage } from '../support/host.ts';

/** An api as far as agents see it: it holds what they say, and can be down, full or another one. */
function createApi() {
  const api = {
    generation: 'first',
    refuses: false,
    events: [] as AgentEvent[],
    syncs: [] as { at: number; report: HostReport }[],
  };
  const server = createJsonServer({
    tokens: { check: () => ({ name: 'host', scopes: ['host'], sha256: [] }) },
    bodyBytesMax: 4_000_000,
    log: createLogger('test', 'silent'),
    routes: [
      {
        method: 'POST',
        path: '/v1/hosts/:id/sync',
        scope: null,
        handle({ body }) {
          api.syncs.push({ at: performance.now(), report: body as HostReport });
          return Promise.resolve({ generation: api.generation });
        },
      },
      {
        method: 'POST',
        path: '/v1/hosts/:id/events',
        scope: null,
        handle({ body }) {
          if (api.refuses) throw new AppError('storage_full');
          const { events } = body as { events: AgentEvent[] };
          api.events.push(...events);
          const last = events.at(-1);
          return Promise.resolve({ boot: last?.boot, seq: last?.seq, generation: api.generation });
        },
      },
    ],
  });
  return { api, server };
}

const { api, server } = createApi();
const second = createApi();
let stage: Stage;
let host: Host;
let urls: string;

async function serve(target: Server): Promise<string> {
  const port = await freePort();
  await listen(target, port, '127.0.0.1');
  return `http://127.0.0.1:${port}`;
}

beforeAll(async () => {
  urls = `${await serve(server)},${await serve(second.server)}`;
  stage = await createStage();
  host = await stage.startHost({ api: urls });
});

afterAll(async () => {
  await stage.remove();
  server.close();
  server.closeAllConnections();
  second.server.close();
  second.server.closeAllConnections();
});

const names = (events: readonly AgentEvent[]): string[] =>
  events.map(({ boot, seq, kind }) => `${boot} ${seq} ${kind}`);

it('every api hears the whole state each second, and at once after a change', async () => {
  await until('three syncs', () => api.syncs.length > 3 && second.api.syncs.length > 3);
  const database = newDatabase();
  const { version } = await host.create(database);
  const answered = performance.now();
  const heard = await until('it is told', () =>
    api.syncs.find(({ report }) => report.slots.some((slot) => slot.state === 'running')),
  );
  expect(heard.at - answered).toBeLessThan(500);
  expect(heard.report.version).toBeGreaterThanOrEqual(version);
  expect(heard.report).toMatchObject({ host: 'host-1', boot: 1, capacity: { small: 8 } });
  expect(heard.report.volume.free_bytes).toBeGreaterThan(0);
  await host.post('suspend', { database, epoch: 1, if_idle: false });
  await until('the slot is vacant', () => api.syncs.at(-1)?.report.slots.length === 0);
});

it('events arrive in order, once each while all goes well', async () => {
  await until('they arrive', () => api.events.some(({ kind }) => kind === 'suspended'));
  expect(names(api.events)).toEqual(['1 1 created', '1 2 started', '1 3 suspended']);
  expect(second.api.events).toEqual([]);
});

it('what is not acknowledged is kept, through a restart, and shipped later', async () => {
  api.refuses = true;
  second.api.refuses = true;
  const database = newDatabase();
  await host.create(database);
  await host.post('suspend', { database, epoch: 1, if_idle: false });
  await until('they are durable', async () => (await stage.events('host-1')).length >= 6);
  await host.kill();
  api.refuses = false;
  host = await stage.startHost({ api: urls });
  await until('they arrive', () => api.events.length >= 6);
  expect(names(api.events).slice(3)).toEqual(['1 4 created', '1 5 started', '1 6 suspended']);
});

it('another generation of the hot database gets everything again', async () => {
  api.events.length = 0;
  api.generation = 'second';
  await until('all of it arrives again', () => api.events.length >= 6);
  expect(names(api.events).slice(0, 3)).toEqual(['1 1 created', '1 2 started', '1 3 suspended']);
});
