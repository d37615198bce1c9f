/** The certificate of the home's proxy: made at the first start, and again before it ends. */
import { X509Certificate } from 'node:crypto';
import { chmod, chown, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../lib/errno.ts';
import { replaceFile } from '../lib/files.ts';
import type { UnixUser } from '../host/prepare.ts';
import { makeCertificate } from './certificate.ts';

const DAY_MS = 24 * 3600 * 1000;
const VALID_MS = 730 * DAY_MS;
/** One that ends sooner is replaced: a stack runs for weeks. */
const LEFT_MS_MIN = 60 * DAY_MS;
/** A clock that is a little behind is no reason to refuse. */
const EARLIER_MS = 3600 * 1000;
/** Where the embedded stack is reached. `*`: the first label may name a database (SNI). */
const NAMES = ['127.0.0.1', 'localhost', '*.pilotlight.localhost'];

export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
}

async function isGood({ cert }: CertificatePaths, now: number): Promise<boolean> {
  try {
    const found = new X509Certificate(await readFile(cert));
    return Date.parse(found.validTo) - now > LEFT_MS_MIN;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * @param state the folder that the proxy's user can enter.
 * @param user whom the proxy becomes where this is root: the key is that user's.
 */
export async function provideCertificate(
  state: string,
  user: UnixUser | undefined,
): Promise<CertificatePaths> {
  const folder = join(state, 'tls');
  const paths = { cert: join(folder, 'proxy.crt'), key: join(folder, 'proxy.key') };
  await mkdir(folder, { recursive: true, mode: 0o711 });
  await chmod(folder, 0o711);
  const now = Date.now();
  if (!(await isGood(paths, now))) {
    const [from, to] = [new Date(now - EARLIER_MS), new Date(now + VALID_MS)];
    const made = makeCertificate({ commonName: 'pilotlight', names: NAMES, from, to });
    // The key first: a home with a certificate has its key.
    await replaceFile(paths.key, made.key, 0o600);
    await replaceFile(paths.cert, made.cert, 0o644);
  }
  // Each time: the proxy's user may be another one than at the last start.
  if (user !== undefined) await chown(paths.key, user.uid, user.gid);
  return paths;
}
