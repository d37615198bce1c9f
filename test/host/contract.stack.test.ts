/**
 * The simulated agent answers as the real one does: the same calls to both, and the shapes of what
 * they answer compared. Types and routes are shared by `host/contract.ts`, so that what is left to
 * show is how they decide.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import type { Server } from 'node:http';
import { createSimHost, type SimHost } from '../../host/sim.ts';
import { createSimVolume } from '../../host/sim-volume.ts';
import { freePort } from '../../lib/free-port.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { CallOptions } from '../../lib/json-client.ts';
import { listen } from '../../lib/listen.ts';
import { createLogger } from '../../lib/log.ts';
import { fixedTokens } from '../../lib/fixed-tokens.ts';
import { hashToken } from '../../lib/tokens.ts';
import { AppError } from '../../model/errors.ts';
import type { AgentEvent, HostReport } from '../../model/wire.ts';
import {
  createStage,
  newDatabase,
  newIdentity,
  until,
  type Host,
  type Stage,
} from '../support/host.ts';

const TOKEN = 'token of the simulated';
const client = createJsonClient(TOKEN);
let stage: Stage;
let real: Host;
let sim: SimHost;
let server: Server;
let stop: () => Promise<void>;
let url: string;

beforeAll(async () => {
  stage = await createStage();
  real = await stage.startHost();
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  sim = createSimHost({ host: 'host-1', url, capacity: { small: 8 }, volume: createSimVolume() });
  const log = createLogger('test', 'silent');
  const tokens = fixedTokens({ operator: hashToken(TOKEN) });
  ({ server, stop } = await sim.serve({ apiUrls: ['http://127.0.0.1:1'], client, tokens, log }));
  await listen(server, port, '127.0.0.1');
});
afterAll(async () => {
  await stop();
  server.close();
  server.closeAllConnections();
  client.close();
  await stage.remove();
});

type Method = NonNullable<CallOptions['method']>;
interface Call {
  readonly what: string;
  readonly method: Method;
  readonly path: string;
  readonly body?: unknown;
}

/** A value without what it is: names and kinds only. Of the elements of a list, each kind once. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value))
    return [...new Set(value.map((v) => JSON.stringify(shapeOf(v))))].sort();
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([key, v]) => [key, shapeOf(v)]),
  );
}

/** `outcome` and `state` are words of the contract: they have to be the same. */
const words = (value: unknown): unknown =>
  typeof value === 'object' && value !== null
    ? Object.fromEntries(
        Object.entries(value).filter(([key]) => /^(outcome|state|epoch|slot|status)$/.test(key)),
      )
    : {};

async function ask(call: <T>() => Promise<T>): Promise<unknown> {
  try {
    const answer = await call<unknown>();
    return { words: words(answer), shape: shapeOf(answer) };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { code: error.code, data: shapeOf(error.data ?? {}) };
  }
}

function askReal({ method, path, body }: Call): Promise<unknown> {
  if (method === 'GET') return ask(() => real.get(path));
  if (method === 'PUT') return ask(() => real.put(path, body));
  if (method === 'DELETE') return ask(() => real.remove(path));
  return ask(() => real.post(path.replace('/v1/', ''), body));
}

const askSim = ({ method, path, body }: Call): Promise<unknown> =>
  ask(() =>
    client.call(`${url}${path}`, {
      method,
      timeoutMs: 5_000,
      ...(body === undefined ? {} : { body }),
    }),
  );

const id = newDatabase();
const other = newDatabase();
const small = (slot: number) => ({ size: 'small', slot });
const attach = (database: string, epoch: number, slot = 1) => ({
  method: 'POST' as const,
  path: '/v1/attach',
  body: { database, epoch, ...small(slot) },
});
const suspend = (epoch: number, if_idle = false) => ({
  method: 'POST' as const,
  path: '/v1/suspend',
  body: { database: id, epoch, if_idle },
});
const create = (database: string, source: string, slot: number) => ({
  method: 'POST' as const,
  path: '/v1/create',
  body: { database, source, ...small(slot), identity: newIdentity(database) },
});
const post = (path: string, body: unknown) => ({ method: 'POST' as const, path, body });
const get = (path: string) => ({ method: 'GET' as const, path });
const sql = 'select 1';
const apply = (epoch: number) =>
  post('/v1/apply', {
    ...{ database: id, epoch, name: 'one', sql, lock_timeout_ms: 1_000 },
    ...{ statement_timeout_ms: 1_000, checksum: createHash('sha256').update(sql).digest('hex') },
  });

const CALLS: readonly Call[] = [
  { what: 'livez', ...get('/livez') },
  { what: 'readyz', ...get('/readyz') },
  { what: 'the state of an empty host', ...get('/v1/state') },
  { what: 'a warm slot', ...post('/v1/warm', small(1)) },
  { what: 'the same warm slot again', ...post('/v1/warm', small(1)) },
  { what: 'the state with a warm slot', ...get('/v1/state') },
  { what: 'a create of the warm slot', ...create(id, 'warm', 1) },
  { what: 'the same create again', ...create(id, 'warm', 1) },
  { what: 'a create of a warm slot that is none', ...create(other, 'warm', 2) },
  { what: 'a create in a slot that is taken', ...create(other, 'clone', 1) },
  { what: 'the state with a database', ...get('/v1/state') },
  { what: 'an identity', ...get(`/v1/identity/${id}`) },
  { what: 'the identities of the volume', ...get('/v1/identities') },
  { what: 'those after the last', ...get(`/v1/identities/${id}`) },
  { what: 'those after what is no database', ...get('/v1/identities/acme') },
  { what: 'an unknown identity', ...get(`/v1/identity/${other}`) },
  { what: 'an attach of what runs', ...attach(id, 1) },
  { what: 'an attach beyond what runs well', ...attach(id, 2) },
  { what: 'an attach of an unknown database', ...attach(other, 1, 3) },
  { what: 'an attach without a field', ...post('/v1/attach', small(1)) },
  { what: 'an attach in a slot that is not there', ...attach(other, 1, 9) },
  { what: 'a migration', ...apply(1) },
  { what: 'the same migration again', ...apply(1) },
  { what: 'a migration of another epoch', ...apply(4) },
  { what: 'a recycle of a slot that is assigned', ...post('/v1/recycle', small(1)) },
  { what: 'a recycle of a slot that is vacant', ...post('/v1/recycle', small(5)) },
  { what: 'a suspend of another epoch', ...suspend(3) },
  { what: 'a suspend', ...suspend(1) },
  { what: 'the same suspend again', ...suspend(1) },
  { what: 'an attach of an epoch that has been used', ...attach(id, 1) },
  { what: 'an attach of a later epoch, in another slot', ...attach(id, 4, 2) },
  { what: 'a suspend if idle', ...suspend(4, true) },
  { what: 'a purge of what lives', method: 'DELETE', path: `/v1/directories/${id}` },
];

describe('the simulated agent answers as the real one', () => {
  it.each(CALLS)('$what', async (call) => {
    expect(await askSim(call)).toEqual(await askReal(call));
  });

  it('an attach that names no epoch: too late, of nothing, the next one, and what runs', async () => {
    const both = [await real.get<HostReport>('/v1/state'), sim.report()];
    const [token = '', simToken = ''] = both.map((report) => report?.sync_token);
    const late = (of: string): string => of.replace(/\..*/, '.-20000');
    for (const [database, tokens] of [
      [id, [late(simToken), late(token)]],
      [other, [simToken, token]],
      [id, [simToken, token]],
      [id, [simToken, token]],
    ] as const) {
      const [ours, theirs] = tokens.map((sync_token) =>
        post('/v1/attach', { database, sync_token }),
      );
      if (ours === undefined || theirs === undefined) throw new Error('BUG: no call');
      const answer = await askSim({ what: '', ...ours });
      expect(answer).toEqual(await askReal({ what: '', ...theirs }));
      expect(answer).toMatchObject(
        tokens[0] !== simToken
          ? { code: 'late_request' }
          : database === other
            ? { code: 'database_not_found' }
            : { words: { epoch: 5 } },
      );
    }
    const end: Call = { what: '', ...suspend(5) };
    expect(await askSim(end)).toEqual(await askReal(end));
  });

  it('a change of the identity document, a stale one, and a tombstone', async () => {
    const read = await real.get<Record<string, unknown>>(`/v1/identity/${id}`);
    const readSim = await client.call<Record<string, unknown>>(`${url}/v1/identity/${id}`, {
      timeoutMs: 5_000,
    });
    const put = (expected: number, document: object): Call => ({
      what: '',
      ...{ method: 'PUT', path: `/v1/identity/${id}` },
      body: { expected_version: expected, document },
    });
    const deleted = { deleted_at: '2026-11-24T00:00:00.000Z' };
    for (const [expected, change] of [
      [1, { labels: { a: 'b' } }],
      [1, { labels: {} }],
      [2, { directory: 'a'.repeat(16) }],
      [2, deleted],
    ] as const) {
      const answers = [
        await askSim(put(expected, { ...readSim, ...change })),
        await askReal(put(expected, { ...read, ...change })),
      ];
      expect(answers[0]).toEqual(answers[1]);
    }
    const purge: Call = { what: '', method: 'DELETE', path: `/v1/directories/${id}` };
    for (const call of [{ what: '', ...attach(id, 6) }, purge, purge])
      expect(await askSim(call)).toEqual(await askReal(call));
    // The data are gone: nothing takes the tombstone back.
    expect(await askSim(put(3, { ...readSim, deleted_at: null }))).toEqual(
      await askReal(put(3, { ...read, deleted_at: null })),
    );
  });

  it('and notes the same events', async () => {
    const facts = (events: readonly AgentEvent[]): string[] =>
      events.map(({ kind, epoch, seq, reason }) => `${seq} ${kind} ${epoch} ${reason ?? ''}`);
    const expected = facts(sim.journal.events);
    expect(expected.length).toBeGreaterThan(5);
    const seen = await until('all events', async () => {
      const events = await stage.events('host-1');
      return events.length >= expected.length && events;
    });
    expect(facts(seen)).toEqual(expected);
  });

  it('the end of a host in order', async () => {
    const call: Call = { what: '', ...post('/v1/shutdown', { grace_ms: 1_000 }) };
    expect(await askSim(call)).toEqual(await askReal(call));
    const again: Call = { what: '', ...attach(other, 1) };
    expect(await askSim(again)).toEqual(await askReal(again));
  });
});

describe('a simulated machine', () => {
  const reportOf = (host: SimHost): HostReport | undefined => host.report();

  it('whose agent dies keeps what runs, and the next agent adopts it with a higher boot', async () => {
    const host = createSimHost({
      ...{ host: 'h', url, capacity: { small: 2 } },
      volume: createSimVolume(),
    });
    await host.verbs.create({ ...create(other, 'clone', 1).body, size: 'small', source: 'clone' });
    host.crashAgent();
    expect(reportOf(host)).toBeUndefined();
    await expect(host.verbs.readIdentity(other)).rejects.toThrow(AppError);
    host.boot();
    expect(reportOf(host)).toMatchObject({
      boot: 2,
      slots: [{ state: 'running', database: other, epoch: 1 }],
    });
  });

  it('misbehaves as often as it is asked to', async () => {
    const host = createSimHost({
      ...{ host: 'h', url, capacity: { small: 2 } },
      volume: createSimVolume(),
    });
    const made = () =>
      host.verbs.create({ ...create(other, 'clone', 1).body, size: 'small', source: 'clone' });
    host.faults.add({ verb: 'create', kind: 'lose_request' });
    await expect(made()).rejects.toMatchObject({ code: 'unavailable' });
    expect(await host.verbs.readIdentity(other)).toBeUndefined();
    host.faults.add({ verb: 'create', kind: 'lose_answer' });
    await expect(made()).rejects.toMatchObject({ code: 'unavailable' });
    expect(await host.verbs.readIdentity(other)).toMatchObject({ id: other });
    host.faults.add({ verb: 'create', kind: 'refuse', code: 'storage_full' });
    await expect(made()).rejects.toMatchObject({ code: 'storage_full' });
    host.faults.add({ verb: 'create', kind: 'duplicate' });
    expect(await made()).toMatchObject({ database: other, epoch: 1 });
    host.faults.add({ verb: 'create', kind: 'delay', ms: 1 });
    expect(await made()).toMatchObject({ database: other, epoch: 1 });
  });
});
