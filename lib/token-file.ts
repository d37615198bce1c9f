/**
 * Callers in a file that may change while the process runs: a token is added or taken away without a
 * restart. What can not be read or is wrong changes nothing, and is told.
 */
import { readFile, stat } from 'node:fs/promises';
import { ConfigError } from './config-error.ts';
import type { Logger } from './log.ts';
import { createTokenTable, type Caller, type TokenTable } from './tokens.ts';

const LOOK_MS = 1_000;
/** An old token and the one that takes its place. */
const TOKENS_MAX = 2;

const areStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');

function isCaller(value: unknown): value is Caller {
  const { name, scopes, tenants, sha256 } = Object(value) as Record<string, unknown>;
  if (typeof name !== 'string' || !areStrings(scopes) || !areStrings(sha256)) return false;
  if (tenants !== undefined && !areStrings(tenants)) return false;
  return sha256.length <= TOKENS_MAX && sha256.every((hash) => /^[0-9a-f]{64}$/.test(hash));
}

/**
 * Reads `{ "callers": [{ "name", "scopes", "tenants"?, "sha256": [] }] }`.
 * @throws ConfigError that says which caller is wrong, and shows nothing of it.
 */
export function parseCallers(text: string): readonly Caller[] {
  let callers: unknown;
  try {
    ({ callers } = JSON.parse(text) as { callers?: unknown });
  } catch (error) {
    throw new ConfigError('the file of callers is not JSON', { cause: error });
  }
  if (!Array.isArray(callers)) throw new ConfigError('the file of callers has no list "callers"');
  const names = new Set<string>();
  for (const [i, caller] of callers.entries()) {
    if (!isCaller(caller)) throw new ConfigError(`caller ${i + 1} in the file of callers is wrong`);
    if (names.has(caller.name)) throw new ConfigError(`two callers have the name ${caller.name}`);
    names.add(caller.name);
  }
  return callers as Caller[];
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
