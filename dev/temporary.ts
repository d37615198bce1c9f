/** A stack of one's own for a bench, a demo or a test: temporary home, free ports, gone at the end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { homePaths, type HomePaths } from './home.ts';
import { BIND, type StackOptions } from './plan.ts';
import { findPortBase } from './ports.ts';
import { startStack, type Stack } from './stack.ts';

export type TemporaryOptions = Omit<StackOptions, 'home' | 'portBase' | 'temporary'> &
  Partial<Pick<StackOptions, 'portBase'>> & {
    /** Called before anything starts. */
    readonly prepare?: (paths: HomePaths) => Promise<void>;
  };

/**
 * Starts it, at free ports unless others are asked for. `stop` removes it, and so does the end of this process.
 * @throws ConfigError as startStack.
 */
export async function startTemporaryStack(options: TemporaryOptions): Promise<Stack> {
  const home = await mkdtemp(join(tmpdir(), 'pilotlight-'));
  try {
    const { prepare, ...rest } = options;
    const { hosts = 2, portBase = await findPortBase(hosts, BIND) } = rest;
    await prepare?.(homePaths(home));
    return await startStack({ ...rest, home, portBase, temporary: true });
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}
