/** The benches as programs: that they run to their last line, and that it has its form. */
import { expect, jest, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { childEnvironment } from '../../lib/environment.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';

jest.setTimeout(180_000);

interface Ran {
  readonly code: number;
  readonly last: string;
  readonly said: string;
}

function run(main: string, ...args: readonly string[]): Promise<Ran> {
  const program = join(PACKAGE_ROOT, 'dist/bench', main);
  const options = { env: childEnvironment({}), cwd: '/' };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
      const last = stdout.trim().split('\n').at(-1) ?? '';
      resolve({ code: error === null ? 0 : Number(error.code), last, said: stdout + stderr });
    });
  });
}

/** @returns its last line. @throws with all that it said if it failed: jest shows only what differs. */
async function succeeds(main: string, ...args: readonly string[]): Promise<string> {
  const { code, last, said } = await run(main, ...args);
  if (code !== 0) throw new Error(said);
  return last;
}

test('wake compares three arms and says so in one line', async () => {
  expect(await succeeds('main.js', 'wake', '--times', '2')).toMatch(
    /^wake: ratio_p50=[\d.]+ overhead_p50_ms=-?[\d.]+ vs_stock_p50=[\d.]+ raw_p50_ms=[\d.]+ wake_p50_ms=[\d.]+ wake_p99_ms=[\d.]+ .*n=2$/,
  );
});

test('kills of every kind lose nothing', async () => {
  expect(await succeeds('kills/main.js', '--times', '5', '--seed', '5')).toMatch(
    /^kills: acknowledged=[1-9]\d* lost=0 doubles=0 slots_leaked=0 unstartable=0$/,
  );
});

test('an unknown bench is answered with those that there are', async () => {
  const { code, said } = await run('main.js', 'sleep');
  expect(code).toBe(1);
  expect(said).toMatch(/^bench: usage: .*names: wake .*, burst /);
});

test('wrong bytes crash, hang and wake nothing', async () => {
  expect(await succeeds('fuzz/main.js', '--minutes', '0.1', '--seed', '7')).toMatch(
    /^fuzz: decoded=\d{4,} conversations=\d{2,} crashes=0 slow=0 hangs=0 woken=0 fds_more=0 rss_growth_mb=-?\d+ seed=7$/,
  );
});
