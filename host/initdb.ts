/** Runs Postgres' own programs that end by themselves: initdb, and postgres in single-user mode. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ConfigError } from '../lib/config-error.ts';
import type { Installation, UnixUser } from './prepare.ts';

export interface RunOptions {
  readonly pg: Installation;
  readonly program: 'initdb' | 'postgres';
  readonly args: readonly string[];
  readonly user?: Pick<UnixUser, 'uid' | 'gid'>;
  readonly input?: string;
}

/** How much of a program's own words is kept. */
const SAID_BYTES_MAX = 4_000;

/**
 * Runs one to its end.
 * @throws ConfigError with the last line it wrote if it fails.
 */
export async function runProgram(options: RunOptions): Promise<void> {
  const child = spawn(join(options.pg.folder, 'bin', options.program), options.args, {
    stdio: ['pipe', 'ignore', 'pipe'],
    cwd: '/',
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
    ...(options.user === undefined ? {} : { uid: options.user.uid, gid: options.user.gid }),
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-SAID_BYTES_MAX);
  });
  // A program that ends before it has read everything says why by its exit.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const ended = await new Promise<string | number>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'ended'));
  });
  // In single-user mode an error of a statement does not show in the exit code.
  if (ended === 0 && !said.includes('ERROR: ')) return;
  const lines = said.split('\n').filter((line) => /error|FATAL|PANIC|ERROR/.test(line));
  const why = lines.at(-1) ?? said.trim().split('\n').at(-1) ?? '';
  throw new ConfigError(`${options.program} failed (${ended}): ${why}`);
}

export interface InitdbOptions {
  readonly pg: Installation;
  readonly data: string;
  readonly user?: Pick<UnixUser, 'uid' | 'gid'>;
  readonly superuser: string;
  readonly extra: readonly string[];
}

/**
 * Makes a data directory: checksums on, UTF-8, the builtin locale C.UTF-8, which is the same on
 * every machine and in every version of the system's libraries.
 * @throws ConfigError
 */
export async function runInitdb(options: InitdbOptions): Promise<void> {
  await runProgram({
    pg: options.pg,
    program: 'initdb',
    args: [
      `--pgdata=${options.data}`,
      `--username=${options.superuser}`,
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--data-checksums',
      ...options.extra,
    ],
    ...(options.user === undefined ? {} : { user: options.user }),
  });
}
