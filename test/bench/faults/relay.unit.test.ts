import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { startRelay, type Relay } from '../../../bench/faults/relay.ts';
import { freePort } from '../../../lib/free-port.ts';

let server: Server;
let relay: Relay;
let sockets: Socket[];

beforeEach(async () => {
  sockets = [];
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  const target = await freePort();
  await new Promise<void>((resolve) => server.listen(target, '127.0.0.1', resolve));
  relay = await startRelay(await freePort(), target, () => 0);
});
afterEach(async () => {
  await relay.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

interface Caller {
  readonly say: (text: string) => void;
  /** The next thing that happens: what came back, or the end. */
  readonly next: () => Promise<string>;
}

function call(): Caller {
  const happened: string[] = [];
  let wake = (): void => undefined;
  const note = (what: string): void => {
    happened.push(what);
    wake();
  };
  const socket = connect(relay.port, '127.0.0.1');
  socket.on('data', (data) => note(data.toString()));
  socket.on('error', (error) => note((error as NodeJS.ErrnoException).code ?? ''));
  sockets.push(socket);
  return {
    say: (text) => void socket.write(text),
    async next() {
      while (happened.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return happened.shift() ?? '';
    },
  };
}

describe('a relay', () => {
  test('passes what is sent, and keeps its order when it is slow', async () => {
    const caller = call();
    caller.say('one');
    expect(await caller.next()).toBe('one');
    await relay.set({ kind: 'slow', ms: 200 });
    const began = performance.now();
    caller.say('two');
    expect(await caller.next()).toBe('two');
    expect(performance.now() - began).toBeGreaterThanOrEqual(199);
  });

  test('that is silent passes nothing until it is over', async () => {
    const caller = call();
    caller.say('before');
    expect(await caller.next()).toBe('before');
    await relay.set({ kind: 'silent' });
    caller.say('during');
    const first = await Promise.race([
      caller.next(),
      new Promise((resolve) => setTimeout(resolve, 100, 'nothing')),
    ]);
    expect(first).toBe('nothing');
    await relay.set({ kind: 'none' });
    const late = call();
    late.say('after');
    expect(await late.next()).toBe('after');
  });

  test('that refuses resets what there is and takes nobody, until it is over', async () => {
    const caller = call();
    caller.say('one');
    await caller.next();
    await relay.set({ kind: 'refused' });
    expect(await caller.next()).toBe('ECONNRESET');
    expect(await call().next()).toBe('ECONNREFUSED');
    await relay.set({ kind: 'none' });
    const again = call();
    again.say('two');
    expect(await again.next()).toBe('two');
  });

  test('that loses resets one and is silent to the next', async () => {
    await relay.set({ kind: 'lossy', odds: 1 });
    const [first, second] = [call(), call()];
    first.say('x');
    expect(await first.next()).toBe('ECONNRESET');
    second.say('x');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await relay.set({ kind: 'none' });
    expect(await second.next()).toBe('ECONNRESET');
  });
});
