/** The fleet's secrets: made once per home, kept in a file that only its owner reads. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError } from '../lib/config-error.ts';
import { isMissing } from '../lib/errno.ts';
import { replaceFile } from '../lib/files.ts';
import { hashToken } from '../lib/tokens.ts';
import type { Caller } from '../lib/callers.ts';

/** Who calls the api, each with a token of its own. */
const API_SCOPES = ['proxy', 'host', 'operator', 'create', 'cold'] as const;
/** Who calls host agents. */
const AGENT_SCOPES = ['api', 'operator'] as const;
/** Who calls the console. */
const CONSOLE_SCOPES = ['operator', 'passwords'] as const;

const NAMES = [
  'fleet',
  ...API_SCOPES.map((scope) => `api_token_${scope}` as const),
  ...AGENT_SCOPES.map((scope) => `agent_token_${scope}` as const),
  ...CONSOLE_SCOPES.map((scope) => `console_token_${scope}` as const),
  'hot_superuser_password',
  'hot_api_password',
  'hot_cold_password',
  'cold_superuser_password',
  'cold_worker_password',
  'cold_console_password',
  'temporal_password',
] as const;

export type SecretName = (typeof NAMES)[number];
export type Secrets = Readonly<Record<SecretName, string>>;

/** 192 bits; base64url needs no quoting in URLs, SQL and shells. */
const newSecret = (): string => randomBytes(24).toString('base64url');

async function readStored(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    if (isMissing(error)) return {};
    throw new ConfigError(`${path} can not be read (${String(error)})`, { cause: error });
  }
}

/**
 * Reads the secrets of this home; what is missing (all on the first start, a few after an upgrade)
 * is made and stored before it is used.
 * @throws ConfigError if the file is there but is not what was written.
 */
export async function loadSecrets(path: string): Promise<Secrets> {
  const stored = await readStored(path);
  const secrets = Object.fromEntries(
    NAMES.map((name) => {
      const known = stored[name];
      return [name, typeof known === 'string' && known !== '' ? known : newSecret()];
    }),
  ) as Secrets;
  if (NAMES.some((name) => stored[name] !== secrets[name]))
    await replaceFile(path, `${JSON.stringify(secrets, undefined, 2)}\n`, 0o600);
  return secrets;
}

/**
 * Writes the callers of the api into a file (PILOTLIGHT_TOKENS_FILE). Others that somebody has put
 * there stay, and so does a second token of one of ours.
 */
export async function writeCallers(path: string, secrets: Secrets): Promise<void> {
  let found: readonly Caller[] = [];
  try {
    found = (JSON.parse(await readFile(path, 'utf8')) as { callers: Caller[] }).callers;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const ours = API_SCOPES.map((scope): Caller => {
    const hash = hashToken(secrets[`api_token_${scope}`]);
    const more = found.find(({ name }) => name === scope)?.sha256 ?? [];
    const sha256 = [hash, ...more.filter((other) => other !== hash)].slice(0, 2);
    return { name: scope, scopes: [scope], sha256 };
  });
  const others = found.filter(({ name }) => !ours.some((caller) => caller.name === name));
  const text = `${JSON.stringify({ callers: [...ours, ...others] }, undefined, 2)}\n`;
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  // Hashes of tokens that nobody can guess: the api may run as another user.
  await replaceFile(path, text, 0o644);
}

const SCOPES = { agent: AGENT_SCOPES, console: CONSOLE_SCOPES } as const;

/** What a server learns of its callers: `scope=<SHA-256 of the token>,…` (PILOTLIGHT_TOKENS). */
export function tokenHashes(secrets: Secrets, server: keyof typeof SCOPES): string {
  return SCOPES[server]
    .map((scope) => {
      const token = secrets[`${server}_token_${scope}` as SecretName];
      return `${scope}=${hashToken(token)}`;
    })
    .join(',');
}
