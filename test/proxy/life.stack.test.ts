/** What happens to sessions and to those who wait: bulk data, cancel, idle, outages, the end. */
import { createServer, connect, type Server } from 'node:net';
import { chmod, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type pg from 'pg';
import { encodeErrorResponse } from '../../proxy/wire.ts';
import { ask, createStage, failureOf, leave, until, type Stage } from './stage.ts';

jest.setTimeout(30_000);

let stage: Stage;
beforeAll(async () => {
  stage = await createStage({ holdMs: 1_500 });
});
afterAll(() => stage.end());
afterEach(() => {
  stage.api.starts.length = 0;
  stage.api.calls.length = 0;
});

async function connected(options: Partial<pg.ClientConfig> = {}): Promise<pg.Client> {
  const client = stage.client(options);
  await client.connect();
  return client;
}

interface CopyConnection {
  readonly query: (text: string) => void;
  readonly sendCopyFromChunk: (chunk: Buffer) => void;
  readonly endCopyFrom: () => void;
}

/** A COPY as node-pg's own Query would run it if it knew how. */
function copy(client: pg.Client, text: string, input: readonly Buffer[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const output: Buffer[] = [];
    let failed: Error | undefined;
    const submittable = {
      submit: (connection: CopyConnection) => connection.query(text),
      handleCopyInResponse(connection: CopyConnection) {
        for (const chunk of input) connection.sendCopyFromChunk(chunk);
        connection.endCopyFrom();
      },
      handleCopyData: (message: { readonly chunk: Buffer }) =>
        output.push(Buffer.from(message.chunk)),
      handleCommandComplete: () => undefined,
      handleError: (error: Error) => (failed = error),
      handleReadyForQuery: () => (failed ? reject(failed) : resolve(Buffer.concat(output))),
    };
    client.query(submittable as unknown as pg.Submittable);
  });
}

describe('a session', () => {
  test('carries a COPY of some megabytes both ways, unchanged', async () => {
    const client = await connected();
    await client.query('create temporary table t (line text)');
    const line = (i: number): string => `${i} ${'äöü€'.repeat(40)}\n`;
    const chunks = Array.from({ length: 300 }, (_, i) =>
      Buffer.from(Array.from({ length: 80 }, (_, j) => line(i * 80 + j)).join('')),
    );
    await copy(client, 'copy t from stdin', chunks);
    const back = await copy(client, 'copy t to stdout', []);
    expect(back.length).toBeGreaterThan(8_000_000);
    expect(back.equals(Buffer.concat(chunks))).toBe(true);
    await client.end();
  });

  test('reads only as fast as its client does', async () => {
    const client = await connected();
    const { stream } = (client as unknown as { connection: { stream: NodeJS.ReadableStream } })
      .connection;
    const before = process.memoryUsage().arrayBuffers;
    stream.pause();
    const rows = client.query(`select repeat('x', 1000000) from generate_series(1, 100)`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const kept = process.memoryUsage().arrayBuffers - before;
    stream.resume();
    expect((await rows).rowCount).toBe(100);
    await client.end();
    expect(kept).toBeLessThan(20_000_000);
  });

  test('is cancelled by its own key and by no other', async () => {
    const client = await connected();
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    const cancel = async (pid: number, secret: number): Promise<void> => {
      const packet = Buffer.alloc(16);
      [16, 80877102, pid, secret].forEach((n, i) => packet.writeInt32BE(n, i * 4));
      const socket = connect(stage.port, '127.0.0.1');
      socket.end(packet);
      await new Promise((resolve) => socket.resume().once('close', resolve));
    };
    const pids = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    expect(pids.rows[0]?.pid).not.toBe(processID);
    let done = false;
    const sleeping = failureOf(client.query('select pg_sleep(20)').finally(() => (done = true)));
    await cancel(processID, secretKey ^ 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(done).toBe(false);
    await cancel(processID, secretKey);
    expect(await sleeping).toMatchObject({ code: '57014' });
    await client.end();
    await until(async () => /proxy_sessions\S* 0\n/.test(await stage.metrics()));
    await cancel(processID, secretKey);
    expect(await stage.metrics()).toMatch(/proxy_cancels_total\{found="true"\S* 1\n/);
  });

  test('ends for its client when Postgres ends, with the words of Postgres and a hint', async () => {
    const client = await connected();
    const ended = new Promise<pg.DatabaseError>((resolve) => client.once('error', resolve));
    await stage.tenant.stop('SIGINT');
    expect(await ended).toMatchObject({ code: '57P01', hint: expect.stringMatching(/wakes/) });
    await until(async () => /proxy_connections\S* 0\n/.test(await stage.metrics()));
    expect(await ask(stage.client(), 'select 1')).toBe(1);
  });
});

describe('while no api answers', () => {
  afterEach(() => stage.api.up());

  test('a running database is reachable', async () => {
    await ask(stage.client(), 'select 1');
    await stage.api.down();
    for (let i = 0; i < 3; i++) expect(await ask(stage.client(), 'select 1')).toBe(1);
  });

  test('a sleeping one is held, then refused with 57P03 and a hint', async () => {
    await ask(stage.client(), 'select 1');
    await stage.sleep();
    await stage.api.down();
    const begun = performance.now();
    const failed = await failureOf(stage.client().connect());
    expect(failed).toMatchObject({ code: '57P03', hint: expect.stringContaining('again') });
    expect(performance.now() - begun).toBeGreaterThan(1_400);
  });

  test('who is held gets through as soon as it answers again', async () => {
    await ask(stage.client(), 'select 1');
    await stage.sleep();
    await stage.api.down();
    const answer = ask(stage.client(), 'select 1');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await stage.api.up();
    expect(await answer).toBe(1);
    await stage.api.down();
  });
});

describe('a Postgres that is not ready', () => {
  let folder: string;
  let front: Server | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pl-front-'));
    await chmod(folder, 0o711);
  });
  afterEach(async () => {
    await new Promise((resolve) => (front === undefined ? resolve(0) : front.close(resolve)));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Listens in front of the real one, and says this to the first `times` who come. */
  async function inFront(times: number, message: string): Promise<() => number> {
    await ask(stage.client(), 'select 1');
    // The real one moves away from its address, so that the proxy asks for another.
    const { socket: place } = stage.tenant.addressOf(stage.epoch());
    const behind = join(place, 'moved');
    await rename(join(place, '.s.PGSQL.5432'), behind);
    stage.api.starts.length = 0;
    let came = 0;
    front = createServer((socket) => {
      came += 1;
      socket.on('error', () => undefined);
      if (came <= times) {
        const fields = { S: 'FATAL', V: 'FATAL', C: '57P03', M: message };
        socket.once('data', () => socket.end(encodeErrorResponse(fields)));
        return;
      }
      const real = connect(behind);
      real.on('error', () => undefined);
      socket.pipe(real).pipe(socket);
    });
    const server = front;
    const path = join(folder, '.s.PGSQL.5432');
    await new Promise<void>((resolve) => server.listen(path, () => resolve()));
    return () => came;
  }

  /** Answers that address once, then as before. */
  function answerFrontOnce(): () => void {
    const original = stage.api.onStart;
    const epoch = stage.epoch() + 1;
    stage.api.onStart = (database, body) => {
      if ((body.stale_epoch ?? 0) >= epoch) return original(database, body);
      const address = { socket: folder, port: 5432 };
      return Promise.resolve({ state: 'running', epoch, address, cold_start: 'resume' });
    };
    return () => (stage.api.onStart = original);
  }

  test('because it recovers is waited out', async () => {
    const came = await inFront(3, 'the database system is not yet accepting connections');
    const restore = answerFrontOnce();
    expect(await ask(stage.client(), 'select 1')).toBe(1);
    expect(came()).toBe(4);
    restore();
  });

  test('because it shuts down is left for a newer epoch', async () => {
    const came = await inFront(99, 'the database system is shutting down');
    const restore = answerFrontOnce();
    const epoch = stage.epoch();
    expect(await ask(stage.client(), 'select 1')).toBe(1);
    expect(came()).toBe(1);
    expect(stage.api.starts.map(({ body }) => body.stale_epoch)).toEqual([epoch, epoch + 1]);
    restore();
  });
});

describe('the idle time', () => {
  test('of a database counts from the end of its last session, and ends in a suspend', async () => {
    const idle = await createStage({ idleMs: 200 });
    try {
      const [one, other] = [idle.client(), idle.client()];
      await Promise.all([one.connect(), other.connect()]);
      await one.end();
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(idle.api.suspends).toEqual([]);
      await other.end();
      const endedAt = performance.now();
      await until(() => idle.api.suspends.length > 0);
      expect(performance.now() - endedAt).toBeGreaterThan(190);
      expect(idle.api.suspends.map(({ body }) => body)).toEqual([{ epoch: 1, if_idle: true }]);
      await until(() => idle.epoch() === 0);
      expect(await ask(idle.client(), 'select 1')).toBe(1);
      // The route was forgotten with the suspend: no dead address was dialled, none is stale.
      expect(idle.api.starts.map(({ body }) => body.stale_epoch)).toEqual([undefined, undefined]);
    } finally {
      await idle.end();
    }
  });

  test('of zero suspends at once, and a wake that nobody waited for is suspended as well', async () => {
    const idle = await createStage({ idleMs: 0, holdMs: 400 });
    try {
      expect(await ask(idle.client(), 'select 1')).toBe(1);
      await until(() => idle.api.suspends.length === 1, 300);
      await until(() => idle.epoch() === 0);
      const original = idle.api.onStart;
      idle.api.onStart = async (database, body) => {
        const answer = await original(database, body);
        await new Promise((resolve) => setTimeout(resolve, 50));
        return answer;
      };
      const client = idle.client();
      const failed = failureOf(client.connect());
      await until(() => idle.api.starts.length === 2);
      leave(client);
      await failed;
      await until(() => idle.api.suspends.length === 2);
    } finally {
      await idle.end();
    }
  });
});

test('a proxy that stops tells who waits, gives sessions a moment, and closes', async () => {
  const ending = await createStage();
  const session = ending.client();
  await session.connect();
  const ended = new Promise((resolve) => session.once('end', resolve));
  // A session of the old epoch goes on while others wait for a newer one.
  const { socket } = ending.tenant.addressOf(ending.epoch());
  await rm(join(socket, '.s.PGSQL.5432'));
  ending.api.onStart = () => new Promise(() => undefined);
  const held = failureOf(ending.client().connect());
  await until(async () => /proxy_held_clients\S* 1\n/.test(await ending.metrics()));
  const begun = performance.now();
  await ending.proxy.drain(300);
  expect(await held).toMatchObject({ code: '57P01' });
  expect(performance.now() - begun).toBeGreaterThan(290);
  await ended;
  expect(await ending.metrics()).toMatch(/proxy_sessions\S* 0\n/);
  expect(await failureOf(ending.client().connect())).toMatchObject({ code: 'ECONNREFUSED' });
  await ending.end();
});
