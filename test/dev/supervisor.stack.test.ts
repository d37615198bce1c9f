/** Real processes, kept alive, held and released. */
import { afterAll, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { identify, isAlive } from '../../dev/process-table.ts';
import { createSupervisor } from '../../dev/supervisor.ts';

const supervisor = createSupervisor({ say: () => undefined, changed: () => undefined });
afterAll(() => supervisor.stop('sleeper', 'SIGKILL', 0));

/** Waits until it runs as another process than `before`. */
async function runsAnew(before: number | undefined): Promise<number> {
  for (;;) {
    const id = supervisor.find('sleeper');
    if (id !== undefined && id.pid !== before && isAlive(id)) return id.pid;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('what ends unasked is started again, and what is held only once it is released', async () => {
  await supervisor.start({
    name: 'sleeper',
    logFile: '/dev/null',
    spec: '',
    spawn: () => spawn('sleep', ['600'], { stdio: 'ignore' }),
  });
  const first = await runsAnew(undefined);
  process.kill(first, 'SIGKILL');
  const second = await runsAnew(first);

  expect(await supervisor.hold('sleeper')).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(supervisor.find('sleeper')).toBeUndefined();
  expect(await supervisor.hold('nobody')).toBe(false);

  await supervisor.release('sleeper');
  const third = await runsAnew(second);
  await supervisor.release('sleeper');
  expect(supervisor.find('sleeper')?.pid).toBe(third);
});

test('one that is released at once runs once, whenever the end of the one before is heard', async () => {
  const said: string[] = [];
  const children: ChildProcess[] = [];
  const other = createSupervisor({ say: (line) => said.push(line), changed: () => undefined });
  await other.start({
    name: 'twin',
    logFile: '/dev/null',
    spec: '',
    spawn() {
      const child = spawn('sleep', ['600'], { stdio: 'ignore' });
      children.push(child);
      return child;
    },
  });
  const begun = other.find('twin')?.pid ?? 0;
  process.kill(begun, 'SIGKILL');
  // Dead, and nobody has heard of it: this process has been busy.
  while (isAlive(identify(begun) ?? { pid: begun, started: '' }));
  await other.hold('twin');
  await other.release('twin');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(
    children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null),
  ).toHaveLength(1);
  expect(other.find('twin')?.pid).toBe(children.at(-1)?.pid);
  expect(said).toEqual([]);
  await other.stop('twin', 'SIGKILL', 0);
});
