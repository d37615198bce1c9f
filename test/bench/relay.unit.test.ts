import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { startRelay, type Relay } from '../../bench/chaos/relay.ts';

let echo: Server;
let relay: Relay;
const clients: Socket[] = [];

beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  relay = await startRelay((echo.address() as AddressInfo).port);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  relay.close();
  echo.close();
  await once(echo, 'close');
});

function open(): Socket {
  const client = connect(relay.port, '127.0.0.1');
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}

async function say(client: Socket, text: string): Promise<string> {
  client.write(text);
  const [chunk] = (await once(client, 'data')) as [Buffer];
  return chunk.toString();
}

/** Of an error as well, which `once` would throw. */
const closed = (client: Socket) => new Promise((resolve) => client.once('close', resolve));

test('a relay passes bytes both ways, and the end', async () => {
  const client = open();
  expect(await say(client, 'hello')).toBe('hello');
  client.end();
  await closed(client);
});

test('what is refused is reset, also what was open', async () => {
  const client = open();
  await say(client, 'hello');
  relay.set('refuse');
  await closed(client);
  const later = open();
  await closed(later);
  relay.set('pass');
  expect(await say(open(), 'again')).toBe('again');
});

test('what is stalled goes on afterwards, also what came meanwhile', async () => {
  const client = open();
  await say(client, 'hello');
  relay.set('stall');
  const later = open();
  await once(later, 'connect');
  let early = 0;
  for (const socket of [client, later]) {
    socket.write('held');
    socket.once('data', () => (early += 1));
  }
  // Longer than a round trip takes here.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(early).toBe(0);
  const both = [client, later].map((socket) => once(socket, 'data'));
  relay.set('pass');
  expect((await Promise.all(both)).map(([chunk]) => String(chunk))).toEqual(['held', 'held']);
});
