import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchHome } from '../../lib/watch-home.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-watch-'));
  path = join(folder, 'endpoints.json');
  await writeFile(path, '{}');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Counts how often the home is called gone, and waits for the first time. */
function watched(): { gone: Promise<void>; calls: () => number; stop: () => void } {
  let calls = 0;
  let stop = (): void => undefined;
  const gone = new Promise<void>((resolve) => {
    ({ stop } = watchHome(path, () => {
      calls += 1;
      resolve();
    }));
  });
  return { gone, calls: () => calls, stop: () => stop() };
}

describe('a home', () => {
  test('that is removed is gone, once', async () => {
    const home = watched();
    await rm(folder, { recursive: true });
    await home.gone;
    expect(home.calls()).toBe(1);
    home.stop();
  });

  test('that another took the place of is gone', async () => {
    const home = watched();
    await writeFile(`${path}.new`, '{}');
    await rename(path, `${path}.old`);
    await rename(`${path}.new`, path);
    await home.gone;
    expect(home.calls()).toBe(1);
  });

  test('that was moved is gone', async () => {
    const home = watched();
    await rename(path, `${path}.old`);
    await home.gone;
    expect(home.calls()).toBe(1);
  });

  test('that can not be looked at for a reason of its own is not', async () => {
    const home = watched();
    await rename(path, `${path}.old`);
    await symlink(path, path);
    await sleep(1_100);
    expect(home.calls()).toBe(0);
    home.stop();
  });

  test('that was never there is gone', async () => {
    await rm(path);
    const home = watched();
    await home.gone;
    expect(home.calls()).toBe(1);
    const left = watched();
    left.stop();
    await sleep(50);
    expect(left.calls()).toBe(0);
  });

  test('that stays, or is not watched any more, is not', async () => {
    const home = watched();
    const left = watched();
    left.stop();
    await sleep(1_100);
    expect(home.calls()).toBe(0);
    home.stop();
    await rm(folder, { recursive: true });
    await sleep(1_100);
    expect([home.calls(), left.calls()]).toEqual([0, 0]);
  });

  test('that can not be opened is an error of whoever named it', () => {
    expect(() => watchHome(join(path, 'below'), () => undefined)).toThrow(/ENOTDIR/);
  });

  test('without a path is never watched', () => {
    expect(() => watchHome('', () => undefined).stop()).not.toThrow();
  });
});
