/** The key pair of sealed passwords: the console holds the private half, workers the public one. */
import { readFile } from 'node:fs/promises';
import { ConfigError } from '../lib/config-error.ts';
import { isMissing } from '../lib/errno.ts';
import { replaceFile } from '../lib/files.ts';
import { createSealingKeys, sealingPublicKey } from '../lib/sealed-box.ts';

/**
 * Makes the private key's file if there is none.
 * @returns its public half.
 * @throws ConfigError if the file is there but holds no key.
 */
export async function provideSealingKey(path: string): Promise<string> {
  try {
    return sealingPublicKey(await readFile(path, 'utf8'));
  } catch (error) {
    if (!isMissing(error)) throw new ConfigError(`${path} holds no key`, { cause: error });
  }
  const keys = createSealingKeys();
  await replaceFile(path, keys.privateKey, 0o600);
  return keys.publicKey;
}
