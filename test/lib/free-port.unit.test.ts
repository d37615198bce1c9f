/** Ports for servers of tests and benches. */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { freePort } from '../../lib/free-port.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0))
    await new Promise((resolve) => server.close(() => resolve(undefined)));
});

async function listenOn(port: number): Promise<number> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

test('a free port can be listened on, and is none that the kernel gives to clients', async () => {
  const port = await freePort();
  expect(port).toBeGreaterThanOrEqual(10_000);
  expect(port).toBeLessThan(32_768);
  expect(await listenOn(port)).toBe(port);
});

test('a port that is taken is passed over', async () => {
  const taken = await listenOn(await freePort(() => 0.5));
  const draws = [0.5, 0.5, 0.25];
  const found = await freePort(() => draws.shift() ?? 0);
  expect(found).not.toBe(taken);
  expect(draws).toEqual([]);
});

test('where all are taken that is said', async () => {
  await listenOn(await freePort(() => 0.5));
  await expect(freePort(() => 0.5)).rejects.toThrow('no port of 100');
});
