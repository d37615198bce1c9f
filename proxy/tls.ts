/**
 * TLS for clients: the certificate, read again when its files change, and the handshake. A session
 * keeps what it began with.
 */
import { accessSync, constants } from 'node:fs';
import { constants as crypto, X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import { ConfigError } from '../lib/config-error.ts';
import { errnoOf } from '../lib/errno.ts';
import type { Logger } from '../lib/log.ts';
import { openWatchedFiles, type WatchedFile } from '../lib/watched-file.ts';
import { AppError } from '../model/errors.ts';
import { CLIENT_LEFT } from './client-reader.ts';
import { endPointOf } from './end-point.ts';

/** PG_ALPN_PROTOCOL of src/include/libpq/pqcomm.h: registered with IANA. */
export const ALPN = 'postgresql';

/** What the proxy shows to clients. */
export interface Certificate {
  readonly context: SecureContext;
  /** What SCRAM binds to; undefined where this certificate's signature allows none. */
  readonly endPoint: Buffer | undefined;
}

/** What TLS gives to a login. */
export interface Channel {
  readonly endPoint: Buffer | undefined;
  /** The host name that the client asked for (SNI). */
  readonly servername: string | undefined;
  readonly version: string;
}

/**
 * @param chain PEM, the server's own certificate first.
 * @throws ConfigError that shows nothing of the key.
 */
export function readCertificate(chain: string, key: string): Certificate {
  try {
    const own = new X509Certificate(chain);
    // As Postgres: no client makes us negotiate again and again.
    const secureOptions = crypto.SSL_OP_NO_RENEGOTIATION;
    const context = createSecureContext({ cert: chain, key, minVersion: 'TLSv1.2', secureOptions });
    return { context, endPoint: endPointOf(own.raw) };
  } catch (error) {
    // Also where the two do not belong together. What OpenSSL says quotes nothing of either.
    throw new ConfigError('the certificate or its key is not what it should be', { cause: error });
  }
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly log: Logger;
  readonly lookMs?: number;
}

/**
 * @returns undefined without files: then there is no TLS.
 * @throws ConfigError if only one is named, or if they are not right now.
 */
export async function openCertificate(
  files: CertificateFiles,
): Promise<WatchedFile<Certificate> | undefined> {
  const { cert, key, ...others } = files;
  if (cert === '' && key === '') return undefined;
  if (cert === '' || key === '')
    throw new ConfigError('PILOTLIGHT_TLS_CERT and PILOTLIGHT_TLS_KEY go together');
  const what = 'the certificate for clients';
  return openWatchedFiles({ paths: [cert, key], what, parse: readCertificate, ...others });
}

/**
 * Looks whether the user that this process is by now will read a new certificate.
 * @throws ConfigError
 */
export function checkReadable(paths: readonly string[]): void {
  for (const path of paths.filter((one) => one !== ''))
    try {
      accessSync(path, constants.R_OK);
    } catch (error) {
      throw new ConfigError(
        `the proxy's user can not read ${path} (${errnoOf(error)}), so that no new certificate would hold`,
        { cause: error },
      );
    }
}

/**
 * Takes the socket over for TLS; what it has read and nobody has taken is the handshake's.
 * @throws AppError `protocol_violation` if the client's side of it is wrong, CLIENT_LEFT, or the
 * signal's reason; the connection is closed by then.
 */
export function encrypt(
  socket: Socket,
  certificate: Certificate,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext: certificate.context,
    ALPNProtocols: [ALPN],
  });
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      secure.off('secure', onSecure).off('end', onGone).off('close', onGone);
      finish();
    };
    const fail = (reason: Error): void =>
      settle(() => {
        secure.destroy();
        reject(reason);
      });
    const onAbort = (): void => fail(signal.reason as Error);
    const onGone = (): void => fail(CLIENT_LEFT);
    const onSecure = (): void => settle(() => resolve(secure));
    signal.addEventListener('abort', onAbort, { once: true });
    // Stays: a session's own error is handled where the session is.
    secure.on('error', (error: NodeJS.ErrnoException) => {
      const wrong = error.code?.startsWith('ERR_SSL_') === true;
      const detail = 'the TLS handshake failed';
      fail(wrong ? new AppError('protocol_violation', { detail }) : CLIENT_LEFT);
    });
    // An end does not close by itself: the socket may be half open.
    secure.on('secure', onSecure).on('end', onGone).on('close', onGone);
    if (signal.aborted) onAbort();
  });
}

export const channelOf = (secure: TLSSocket, { endPoint }: Certificate): Channel => ({
  endPoint,
  // Missing in the type declarations of a server's socket; false or null without SNI.
  servername: (secure as { servername?: string | false | null }).servername || undefined,
  version: secure.getProtocol() ?? '',
});
