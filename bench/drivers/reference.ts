/** Postgres itself, set up so that a client should not be able to tell the proxy's database from it. */
import { once } from 'node:events';
import { chmod, chown, copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '../../db/client.ts';
import { CONTROL_SUPERUSER, initControl, spawnControl } from '../../host/control.ts';
import { findUser, isRoot, resolvePostgres } from '../../host/prepare.ts';
import { freePort } from '../../lib/free-port.ts';
import { makePassword } from '../../lib/verifier.ts';
import { OWNER_DATABASE, OWNER_ROLE } from '../../model/ids.ts';
import type { CertificatePaths } from '../../dev/proxy-certificate.ts';

export interface Reference {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

/**
 * @param folder one that other users can enter.
 * @param password the owner's, the same as behind the proxy.
 */
export async function startReference(
  folder: string,
  certificate: CertificatePaths,
  password: string,
): Promise<Reference> {
  const found = isRoot() ? await findUser('nobody', 'the bench') : undefined;
  const user = found === undefined ? {} : { user: found };
  const pg = await resolvePostgres(folder);
  const data = join(folder, 'reference');
  const superuserPassword = makePassword();
  await initControl({ pg, data, superuserPassword, ...user });
  const tls = join(folder, 'reference-tls');
  await mkdir(tls, { mode: 0o711 });
  const files = { cert: join(tls, 'server.crt'), key: join(tls, 'server.key') };
  for (const name of ['cert', 'key'] as const) {
    await copyFile(certificate[name], files[name]);
    await chmod(files[name], 0o600);
    if (found !== undefined) await chown(files[name], found.uid, found.gid);
  }
  const port = await freePort();
  const settings = {
    ssl: 'on',
    ssl_cert_file: files.cert,
    ssl_key_file: files.key,
    fsync: 'off',
    max_connections: '50',
  };
  const logFile = join(folder, 'reference.log');
  const server = await spawnControl({ pg, data, port, logFile, settings, ...user });
  const exited = once(server.child, 'exit');
  await server.ready;
  const url = `postgresql://${CONTROL_SUPERUSER}:${superuserPassword}@127.0.0.1:${port}/postgres`;
  const client = await connect(url, { onError: () => undefined });
  await client.query(`create role ${OWNER_ROLE} login createdb createrole password '${password}'`);
  await client.query(`create database ${OWNER_DATABASE} owner ${OWNER_ROLE}`);
  await client.end();
  return {
    port,
    async stop() {
      server.child.kill('SIGQUIT');
      await exited;
    },
  };
}
