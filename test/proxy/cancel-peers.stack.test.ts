/** Cancel requests on their way to other proxies: over real sockets, to whoever listens there. */
import { afterEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { createCancelPeers } from '../../proxy/cancel-peers.ts';
import { decodeFirstPacket } from '../../proxy/startup.ts';

const KEY = { pid: 7, secret: Buffer.from('secret') };
const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

/** @returns its address, and the keys that came. */
async function listen(): Promise<{ end: string; heard: unknown[] }> {
  const heard: unknown[] = [];
  const server = createServer((socket) => {
    socket.once('data', (bytes: Buffer) => heard.push(decodeFirstPacket(bytes)?.value));
    socket.on('end', () => socket.end());
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return { end: `127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}

test('go to all that are there, marked so that they go no further', async () => {
  const [one, two] = [await listen(), await listen()];
  await createCancelPeers([one.end, '127.0.0.1:1', 'no.such.name.invalid:1', two.end])(KEY, '::1');
  const passed = { kind: 'cancel', key: KEY, isPassed: true };
  expect([one.heard, two.heard]).toEqual([[passed], [passed]]);
});

test('are passed on a hundred times a second at most', async () => {
  const one = await listen();
  let now = 5_000;
  const pass = createCancelPeers([one.end], () => now);
  for (let n = 0; n < 150; n++) await pass(KEY, '10.0.0.1');
  expect(one.heard).toHaveLength(100);
  // It takes nobody else's turn.
  await pass(KEY, '10.0.0.2');
  expect(one.heard).toHaveLength(101);
  now += 1_000;
  await pass(KEY, '10.0.0.1');
  expect(one.heard).toHaveLength(102);
});
