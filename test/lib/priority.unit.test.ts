/** What a lowered process gets beside one that is not, by the kernel's own account; and the ways to it. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { leaveNoGroup, lowerForNow, lowerPriority, raiseAgain } from '../../lib/priority.ts';

const children: ChildProcess[] = [];
let folder = '';

/** In a session of its own, as each of our processes is. */
function run(command: string): number {
  const child = spawn('/bin/sh', ['-c', command], { detached: true, stdio: 'ignore' });
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

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pilotlight-priority-'));
});

afterEach(async () => {
  const ends = children.splice(0).map((child) => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    return ended;
  });
  await Promise.all(ends);
  leaveNoGroup();
  rmSync(folder, { recursive: true });
});

/** A kernel of files. */
function given(files: Readonly<Record<string, string>>) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return { proc: join(folder, 'proc'), cgroups: join(folder, 'cgroups') };
}

const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

test('many lowered processes together get less than one per core that is not', async () => {
  const cores = availableParallelism();
  const hot = Array.from({ length: cores }, () => run('while :; do :; done'));
  const cold = Array.from({ length: 3 * cores }, () => run('while :; do :; done'));
  const ways = new Set(cold.map((pid) => lowerPriority(pid)));
  expect(ways.size).toBe(1);
  const before = { hot: sum(hot), cold: sum(cold) };
  const spent = () => ({ hot: sum(hot) - before.hot, cold: sum(cold) - before.cold });
  // Half a second of each core, in ticks of 10 ms.
  while (spent().hot + spent().cold < 50 * cores)
    await new Promise((resolve) => setTimeout(resolve, 20));
  const { hot: hotTicks, cold: coldTicks } = spent();
  expect({ ways: [...ways], hotTicks, coldTicks, less: coldTicks < hotTicks }).toMatchObject({
    less: true,
  });
});

test.each([
  ['the first version', '5:cpuset:/x\n4:cpu,cpuacct:/a:b\n0::/other\n', 'cpu,cpuacct/a:b'],
  ['the second version', '0::/a\n', 'a'],
])('of a machine with cgroups of %s: an idle one below its own', (_, own, path) => {
  const group = `cgroups/${path}/pilotlight-cold`;
  const kernel = given({
    'proc/self/cgroup': own,
    [`${group}/cpu.idle`]: '0',
    [`${group}/cgroup.procs`]: '',
  });
  expect(lowerPriority(4711, kernel)).toBe('an idle cgroup');
  expect(read(`${group}/cpu.idle`)).toBe('1');
  expect(read(`${group}/cgroup.procs`)).toBe('4711');
});

test('where no cgroup can be idle none is left, and the session is lowered', () => {
  const pid = run('exec sleep 60');
  const kernel = given({
    'proc/self/cgroup': '0::/a\n',
    'cgroups/a/cgroup.procs': '',
    [`proc/${pid}/autogroup`]: '',
  });
  expect(lowerPriority(pid, kernel)).toBe('the niceness of its session');
  expect(existsSync(join(folder, 'cgroups/a/pilotlight-cold'))).toBe(false);
  expect(read(`proc/${pid}/autogroup`)).toBe(String(getPriority(pid)));
});

test('without autogroups it is niceness, and of a process that has ended nothing', () => {
  const kernel = given({ 'proc/self/cgroup': '3:cpuset:/\n' });
  const pid = run('exec sleep 60');
  expect(lowerPriority(pid, kernel)).toBe('niceness');
  expect(getPriority(pid)).toBe(5);
  expect(lowerPriority(2 ** 22, kernel)).toBe('nothing');
});

test('what is cold for a while is lowered by a cgroup or not at all, and comes back', () => {
  expect(lowerForNow(4711, given({ 'proc/self/cgroup': '0::/b\n' }))).toBe(false);
  const kernel = given({
    'proc/self/cgroup': '1:cpu:/a\n',
    'cgroups/cpu/a/cgroup.procs': '',
    'cgroups/cpu/a/pilotlight-cold/cpu.idle': '0',
    'cgroups/cpu/a/pilotlight-cold/cgroup.procs': '',
  });
  expect(lowerForNow(4711, kernel)).toBe(true);
  expect(read('cgroups/cpu/a/pilotlight-cold/cgroup.procs')).toBe('4711');
  raiseAgain([4711, 4712], kernel);
  expect(read('cgroups/cpu/a/cgroup.procs')).toBe('4712');
});

test('a process of this machine is lowered and raised again, if it has cgroups that can', () => {
  const pid = run('exec sleep 60');
  const groupOf = (): string => readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  const own = groupOf();
  const was = lowerForNow(pid);
  expect(groupOf().includes('pilotlight-cold')).toBe(was);
  raiseAgain([pid, 2 ** 22]);
  expect(groupOf()).toBe(own);
});
