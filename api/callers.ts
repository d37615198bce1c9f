/** Callers in a file: a token is added or taken away without a restart. */
import { callersFile } from '../contract/callers.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { Logger } from '../lib/log.ts';
import { createTokenTable } from '../lib/tokens.ts';
import { openWatchedFiles } from '../lib/watched-file.ts';
import type { Caller, TokenTable } from '../lib/callers.ts';

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

/** @throws ConfigError if the file is not there or is wrong when it is opened. */
export async function openTokenFile(path: string, log: Logger): Promise<TokenFile> {
  const what = 'the file of callers';
  const file = await openWatchedFiles({ paths: [path], what, parse: parseCallers, log });
  return { ...createTokenTable(file.current), stop: file.stop };
}
