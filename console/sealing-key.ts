/** The console's private key: a file that only its owner may read. */
import { readFile, stat } from 'node:fs/promises';
import { ConfigError } from '../lib/config-error.ts';
import { errnoOf } from '../lib/errno.ts';
import { sealingPublicKey } from '../lib/sealed-box.ts';

/** Any right of the group or of others. */
const NOT_OWNER = 0o077;

/** @throws ConfigError if it is not there, others may read it, or it is no key for sealing. */
export async function readSealingKey(path: string): Promise<string> {
  const bad = (why: string, cause?: unknown): ConfigError =>
    new ConfigError(`PILOTLIGHT_SEALING_KEY_FILE: ${path} ${why}`, { cause });
  try {
    const { mode } = await stat(path);
    if ((mode & NOT_OWNER) !== 0) throw bad('may be read by others than its owner (chmod 600)');
    const key = await readFile(path, 'utf8');
    sealingPublicKey(key);
    return key;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = errnoOf(error);
    // The cause would be shown with the stack of a bug, and a parser may quote what it read.
    throw bad(
      code?.startsWith('E') === true && !code.startsWith('ERR')
        ? `can not be read (${code})`
        : 'holds no X25519 private key',
    );
  }
}
