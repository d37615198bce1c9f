/** What a machine shows at gates, and whom it trusts there: three files, read again when they change. */
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { ConfigError } from '../lib/config-error.ts';
import type { Logger } from '../lib/log.ts';
import { openWatchedFiles, type WatchedFile } from '../lib/watched-file.ts';

export interface GateSecrets {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
}

export interface GateFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** @throws ConfigError that shows nothing of the key. */
function readSecrets(cert: string, key: string, ca: string): GateSecrets {
  const options: SecureContextOptions = { cert, key, ca, minVersion: 'TLSv1.3' };
  try {
    return { options, context: createSecureContext(options) };
  } catch (error) {
    throw new ConfigError('the certificates for gates or their key are not what they should be', {
      cause: error,
    });
  }
}

/**
 * @returns undefined without files: then there are no other machines.
 * @throws ConfigError if only some are named, or if they are not right now.
 */
export async function openGateFiles(
  { cert, key, ca }: GateFiles,
  log: Logger,
): Promise<WatchedFile<GateSecrets> | undefined> {
  const paths = [cert, key, ca];
  if (paths.every((path) => path === '')) return undefined;
  if (paths.includes('')) throw new ConfigError('PILOTLIGHT_GATE_CERT, _KEY and _CA go together');
  return openWatchedFiles({ paths, what: 'the certificate for gates', parse: readSecrets, log });
}
