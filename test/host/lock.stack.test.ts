import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocks, type HeldLock, type Locks } from '../../host/lock.ts';
import { until } from '../support/host.ts';

let folder: string;
let locks: Locks;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pl-lock-'));
  locks = createLocks({ enabled: true });
});

afterAll(() => rm(folder, { recursive: true }));

async function makeFile(name: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, '');
  return path;
}

function held(attempt: HeldLock | 'busy' | 'gone'): HeldLock {
  if (typeof attempt === 'string') throw new Error(`not held: ${attempt}`);
  return attempt;
}

it('a lock has one holder, and is free again when it is closed', async () => {
  const path = await makeFile('plain');
  const first = held(await locks.take(path));
  expect(await locks.take(path)).toBe('busy');
  await first.close();
  await held(await locks.take(path)).close();
});

it('a child that inherits the descriptor holds the lock until its end', async () => {
  const path = await makeFile('inherited');
  const first = held(await locks.take(path));
  const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', first.fd] });
  await first.close();
  expect(await locks.take(path)).toBe('busy');
  child.kill('SIGKILL');
  const again = await until('it is free', async () => {
    const attempt = await locks.take(path);
    return typeof attempt === 'string' ? undefined : attempt;
  });
  await again.close();
});

it('a file that took the place of the locked one is noticed', async () => {
  const path = await makeFile('replaced');
  const other = await makeFile('other');
  const holder = held(await locks.take(path));
  const waiting = locks.take(path, { waitSeconds: 5 });
  await new Promise((resolve) => setTimeout(resolve, 200));
  await rename(other, path);
  await holder.close();
  expect(await waiting).toBe('gone');
});

it('a file that is not there is never made, unless that is asked for', async () => {
  const path = join(folder, 'missing');
  expect(await locks.take(path)).toBe('gone');
  await held(await locks.take(path, { create: true })).close();
});
