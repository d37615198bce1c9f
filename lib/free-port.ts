/** A port of 127.0.0.1 that nobody listens on at this moment. */
import { createServer } from 'node:net';

/**
 * Below the ports that the kernel gives to clients (from 32,768), any of which may have one by the time
 * that a server wants it; and below those of simulated hosts (bench/sim-fleet.ts).
 */
const FIRST = 10_000;
const LAST = 23_999;
const TRIES = 100;

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** @param random from 0 to below 1. @throws if a hundred of them were taken. */
export async function freePort(random: () => number = Math.random): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = FIRST + Math.floor(random() * (LAST - FIRST + 1));
    if (await isFree(port)) return port;
  }
  throw new Error(`no port of ${TRIES} between ${FIRST} and ${LAST} is free`);
}
