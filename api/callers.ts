/**
 * Callers in a file that may change while the process runs: a token is added or taken away without a
 * restart. What can not be read or is wrong changes nothing, and is told.
 */
import { readFile, stat } from 'node:fs/promises';
import { callersFile } from '../contract/callers.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { Logger } from '../lib/log.ts';
import { createTokenTable } from '../lib/tokens.ts';
import type { Caller, TokenTable } from '../lib/callers.ts';

const LOOK_MS = 1_000;

/**
 * Reads what is in the file.
 * @throws ConfigError that says what is wrong where, and shows no value.
 */
export function parseCallers(text: string): readonly Caller[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ConfigError('the file of callers is not JSON', { cause: error });
  }
  const { data, error } = callersFile.safeParse(value);
  if (data !== undefined) return data.callers;
  const [issue] = error.issues;
  throw new ConfigError(`the file of callers: ${issue?.path.join('.')}: ${issue?.message}`);
}

export interface TokenFile extends TokenTable {
  readonly stop: () => void;
}

/** What of a file differs whenever its content does: it is replaced, or written in its place. */
async function stampOf(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path);
  return `${ino} ${size} ${mtimeMs}`;
}

/** @throws ConfigError if the file is not there or is wrong when it is opened. */
export async function openTokenFile(
  path: string,
  log: Logger,
  lookMs = LOOK_MS,
): Promise<TokenFile> {
  let seen = '';
  let callers: readonly Caller[] = [];
  async function look(): Promise<void> {
    const stamp = await stampOf(path);
    if (stamp === seen) return;
    callers = parseCallers(await readFile(path, 'utf8'));
    seen = stamp;
    log.info({ callers: callers.length }, 'callers read');
  }
  try {
    await look();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`the file of callers, ${path}, can not be read`, { cause: error });
  }
  let failing = false;
  const failed = (error: unknown): void => {
    if (!failing) log.error({ err: error }, 'the callers of before hold: their file is not right');
    failing = true;
  };
  const timer = setInterval(() => void look().then(() => (failing = false), failed), lookMs);
  timer.unref();
  return { ...createTokenTable(() => callers), stop: () => clearInterval(timer) };
}
