/** What chaos does to a volume. Root only, as chaos does it only then. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hideFolder, mountDisk } from '../../bench/chaos/disk.ts';
import { inNamespaces } from '../../dev/namespaces.ts';
import { childrenOf } from '../../dev/process-table.ts';
import { isRoot } from '../../host/prepare.ts';

const asRoot = isRoot() ? test : test.skip;
let folder: string;
let machine: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-disk-'));
});

afterEach(async () => {
  machine?.kill('SIGKILL');
  machine = undefined;
  await rm(folder, { recursive: true, force: true });
});

/** @returns a process of it that lives as long as it does. */
async function startMachine(): Promise<number> {
  const [program = '', ...args] = inNamespaces(['sleep', '600']);
  machine = spawn(program, args, { stdio: 'ignore' });
  for (;;) {
    const [init] = childrenOf(machine.pid ?? 0);
    const [agent] = init === undefined ? [] : childrenOf(init.pid);
    if (agent !== undefined) return agent.pid;
    await delay(10);
  }
}

asRoot('a full disk takes nothing until it is emptied, and goes away', async () => {
  const disk = await mountDisk(folder, 8);
  await disk.fill();
  await expect(writeFile(join(folder, 'a'), Buffer.alloc(1_000_000))).rejects.toThrow('ENOSPC');
  await disk.empty();
  await writeFile(join(folder, 'b'), Buffer.alloc(1_000_000));
  await disk.unmount();
  expect(await readdir(folder)).toEqual([]);
});

asRoot('a folder is hidden from one machine, and shown to it again', async () => {
  await writeFile(join(folder, 'a'), '');
  const pid = await startMachine();
  const there = (): Promise<string[]> => readdir(`/proc/${pid}/root${folder}`);
  const show = await hideFolder(pid, folder);
  expect(await there()).toEqual([]);
  expect(await readdir(folder)).toEqual(['a']);
  await show?.();
  expect(await there()).toEqual(['a']);
});

asRoot('nothing is hidden from a process that shares our view', async () => {
  expect(await hideFolder(process.pid, folder)).toBeUndefined();
});
