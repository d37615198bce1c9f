/** What a lowered process gets beside one that is not, by the kernel's own account. */
import { afterEach, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { leaveNoGroup, lowerPriority, lowered } from '../../dev/priority.ts';

const children: ChildProcess[] = [];

/** Burns a core in a session of its own, as each of our processes is. */
function burn(): number {
  const child = spawn('/bin/sh', ['-c', 'while :; do :; done'], {
    detached: true,
    stdio: 'ignore',
  });
  children.push(child);
  if (child.pid === undefined) throw new Error('there is no shell');
  return child.pid;
}

/** Clock ticks: fields 14 and 15 of proc_pid_stat(5). */
function ticksOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

const sum = (pids: readonly number[]): number => pids.reduce((all, pid) => all + ticksOf(pid), 0);

afterEach(async () => {
  await Promise.all(
    children.splice(0).map(
      (child) =>
        new Promise((resolve) => {
          child.once('exit', resolve);
          child.kill('SIGKILL');
        }),
    ),
  );
  leaveNoGroup();
});

test('three lowered processes together get less than one that is not', async () => {
  const cores = availableParallelism();
  const hot = Array.from({ length: cores }, burn);
  const cold = Array.from({ length: 3 * cores }, burn);
  const ways = cold.map((pid) => lowerPriority(pid));
  expect(new Set(ways).size).toBe(1);
  const before = [sum(hot), sum(cold)] as const;
  // The kernel's account is what is waited for: a second of each core.
  while (sum(hot) + sum(cold) - before[0] - before[1] < 50 * cores)
    await new Promise((resolve) => setTimeout(resolve, 20));
  const [hotTicks, coldTicks] = [sum(hot) - before[0], sum(cold) - before[1]];
  expect({ way: ways[0], hotTicks, coldTicks, less: coldTicks < hotTicks }).toMatchObject({
    less: true,
  });
});

test('of a process that has ended nothing is lowered, and nobody is told of an error', () => {
  expect(lowerPriority(2 ** 22)).toBe('nothing');
});

test('whoever starts a lowered process is told how', async () => {
  const ways: string[] = [];
  const what = lowered({ name: 'a', logFile: '', spec: '', spawn: () => spawnSleep() }, (way) =>
    ways.push(way),
  );
  await what.spawn();
  expect(ways).toEqual([expect.stringMatching(/cgroup|niceness/)]);
});

function spawnSleep(): ChildProcess {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  children.push(child);
  return child;
}
