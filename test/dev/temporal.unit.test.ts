import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isNewEnough, judge, madeBy, madeByFile, stateFile } from '../../dev/temporal/binary.ts';
import { findBinary } from '../../dev/temporal/find.ts';
import { serverArguments } from '../../dev/temporal/server.ts';
import { runTool } from '../../dev/temporal/tool.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A program that says it holds this server, as Temporal's own does. */
async function program(server: string): Promise<string> {
  const path = join(folder, `temporal-${server}`);
  const line = `temporal version 0.0.0-DEV (Server ${server}, UI 2.42.1)`;
  await writeFile(path, `#!/bin/sh\necho "${line}"\n`, { mode: 0o755 });
  return path;
}

describe('a Temporal program', () => {
  test.each([
    ['1.29.1', true],
    ['1.30.0', true],
    ['2.0.0', true],
    ['1.28.9', false],
    ['0.99.0', false],
  ])('with server %s is new enough: %s', (server, enough) => {
    expect(isNewEnough(server)).toBe(enough);
  });

  test('is judged by its server, since a built CLI does not know its own version', async () => {
    const path = await program('1.29.1');
    expect(await judge(path, 'here', undefined)).toEqual({ path, server: '1.29.1', from: 'here' });
    expect(await judge(await program('1.20.0'), 'here', undefined)).toEqual({
      why: expect.stringContaining('server 1.20.0, too old'),
    });
    expect(await judge('/bin/true', 'here', undefined)).toEqual({
      why: '/bin/true does not tell its version',
    });
  });

  test('never works on a state file that another server has made', async () => {
    const path = await program('1.30.0');
    await writeFile(madeByFile(folder), '{"server":"1.29.1"}');
    expect(await madeBy(folder)).toBeUndefined();
    await writeFile(stateFile(folder), '');
    expect(await madeBy(folder)).toBe('1.29.1');
    expect(await findBinary(folder, path)).toEqual({
      why: expect.stringContaining('server 1.30.0, but the state file was made by 1.29.1'),
    });
    expect(await findBinary(folder, await program('1.29.1'))).toMatchObject({ server: '1.29.1' });
  });
});

test('the server listens here only, keeps its state, and has our namespace and attributes', () => {
  const args = serverArguments('/x', { temporal: 1, temporalUi: 2 }, '127.0.0.1').join(' ');
  expect(args).toContain('--db-filename /x/state.db --namespace fleet --ip 127.0.0.1');
  expect(args).toContain('--search-attribute FleetFailures=Int');
  expect(args).toContain('--search-attribute FleetPhase=Keyword');
});

describe('a tool that takes long', () => {
  const run = (script: string, timeoutMs = 20_000, signal = new AbortController().signal) =>
    runTool({ command: ['/bin/sh', '-c', script], env: {}, timeoutMs, signal });

  test('ends well, or with its last words', async () => {
    expect(await run('echo fine')).toBeUndefined();
    expect(await run('echo first; echo why >&2; exit 3')).toBe('why');
    expect(await run('exit 3')).toBe('exit code 3');
    expect(await run(`echo ${'x'.repeat(400)}y; exit 1`)).toMatch(/^…x{159}y$/);
  });

  test('is killed with its children when its time is over or the start is stopped', async () => {
    expect(await run('sleep 60 & sleep 60', 200)).toBe('not done within 0 s');
    const aborter = new AbortController();
    const ended = run('sleep 60 & sleep 60', 60_000, aborter.signal);
    aborter.abort();
    expect(await ended).toBe('stopped');
  });
});
