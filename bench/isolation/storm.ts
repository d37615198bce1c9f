/** A cold storm: every workflow at once, and processes that take what they get; all at cold priority. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { nodeCommand } from '../../dev/commands.ts';
import type { Endpoints } from '../../dev/endpoints.ts';
import { openLog } from '../../dev/logs.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { lowerPriority } from '../../lib/priority.ts';

/** Each a process in a session of its own, as workers are. */
const CPU_PER_CORE = 2;
const FSYNC = 2;
const SQL = 4;

export interface Storm {
  /**
   * Ends all of it. By SIGTERM the workflows that have begun may end before.
   * @returns workflows started, by type.
   */
  readonly stop: (signal: 'SIGTERM' | 'SIGKILL') => Promise<string>;
}

export interface StormOptions {
  readonly endpoints: Endpoints;
  /** See ColdSide. */
  readonly mark: Readonly<Record<string, string>>;
  /** Of workflows-main.ts. */
  readonly workflows: readonly string[];
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  child.kill(signal);
  return once(child, 'exit');
}

/** Until it has said that it is at work. */
async function rages(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(() => {
    throw new ConfigError('a process of the storm has ended; see storm.log');
  });
  // Of one that is ended in the end nobody wants to hear.
  ended.catch(() => undefined);
  if (child.stdout !== null) await Promise.race([once(child.stdout, 'data'), ended]);
}

function spawnCold(
  options: StormOptions,
  password: string,
  words: readonly string[],
): ChildProcess {
  const [program = '', ...args] = words;
  const log = openLog(join(options.endpoints.home, 'logs/storm.log'));
  const child = spawn(program, args, {
    env: childEnvironment({ ...options.mark, PGPASSWORD: password }),
    stdio: ['ignore', 'pipe', log],
    detached: true,
  });
  closeSync(log);
  if (child.pid !== undefined) lowerPriority(child.pid);
  return child;
}

/** Returns when every process of it has begun. @throws ConfigError if one of them ends. */
export async function startStorm(options: StormOptions): Promise<Storm> {
  const { home, cold_url } = options.endpoints;
  const url = new URL(cold_url);
  const password = decodeURIComponent(url.password);
  url.password = '';
  const many = (count: number, ...words: readonly string[]): ChildProcess[] =>
    Array.from({ length: count }, () =>
      spawnCold(options, password, nodeCommand('bench/isolation/storm-main.js', ...words)),
    );
  const workflows = spawnCold(
    options,
    password,
    nodeCommand('bench/isolation/workflows-main.js', ...options.workflows),
  );
  let said = '';
  workflows.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const synthetic = [
    ...many(CPU_PER_CORE * availableParallelism(), 'cpu'),
    ...many(FSYNC, 'fsync', home),
    ...many(SQL, 'sql', url.href),
  ];
  const stop = async (signal: NodeJS.Signals): Promise<string> => {
    await Promise.all(synthetic.map((child) => end(child, 'SIGKILL')));
    await end(workflows, signal);
    return said.trim().split('\n').at(-1) ?? '';
  };
  try {
    await Promise.all([workflows, ...synthetic].map(rages));
  } catch (error) {
    await stop('SIGKILL');
    throw error;
  }
  return { stop };
}
