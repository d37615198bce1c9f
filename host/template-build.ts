/** What is in the template, and how initdb and Postgres make it. */
import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OWNER_DATABASE, OWNER_ROLE } from '../model/ids.ts';
import { SUPERUSER } from '../model/tenant-role.ts';
import { runInitdb, runProgram } from './initdb.ts';
import type { Installation, UnixUser } from './prepare.ts';

/**
 * postgresql.conf of every directory: what a session may change for itself. Short, since every
 * start reads it; all else is on the command line.
 */
const CONF = `lc_messages = 'C'
lc_monetary = 'C'
lc_numeric = 'C'
lc_time = 'C'
timezone = 'UTC'
datestyle = 'iso, mdy'
default_text_search_config = 'pg_catalog.english'
`;

/** The superuser's own database is closed to tenants, so that their sessions can be told from ours. */
const SETUP = `create role ${OWNER_ROLE} login createdb createrole;
create database ${OWNER_DATABASE} owner ${OWNER_ROLE};
revoke connect, temporary on database postgres from public;
`;

/** MiB: a sleeping database keeps one or two of these segments. */
const WAL_SEGMENT_MIB = 4;

export interface BuildOptions {
  readonly pg: Installation;
  /** Whom initdb runs as, where the agent is root: it refuses to run as root. */
  readonly builder: UnixUser | undefined;
}

/** Names what the template is made of: another Postgres or other contents are another template. */
export async function templateName(pg: Installation): Promise<string> {
  const binary = await stat(join(pg.folder, 'bin/postgres'));
  const recipe = [binary.size, CONF, SETUP, WAL_SEGMENT_MIB].join('\n');
  return createHash('sha256').update(recipe).digest('hex').slice(0, 16);
}

/** Makes the data directory `<draft>/data`, with the tenant's role and database in it. */
export async function buildTemplate({ pg, builder }: BuildOptions, draft: string): Promise<void> {
  const data = join(draft, 'data');
  await mkdir(draft, { mode: 0o711 });
  await mkdir(data, { mode: 0o700 });
  if (builder !== undefined) await chown(data, builder.uid, builder.gid);
  const user = builder === undefined ? {} : { user: builder };
  await runInitdb({
    pg,
    data,
    ...user,
    superuser: SUPERUSER,
    extra: ['--auth=reject', `--wal-segsize=${WAL_SEGMENT_MIB}`],
  });
  // initdb's own access files are never read: the agent passes its own.
  for (const name of ['pg_hba.conf', 'pg_ident.conf']) await rm(join(data, name));
  await writeFile(join(data, 'postgresql.conf'), CONF);
  await runProgram({
    pg,
    program: 'postgres',
    args: ['--single', '-D', data, 'postgres'],
    ...user,
    input: SETUP,
  });
  await chown(data, process.getuid?.() ?? -1, process.getgid?.() ?? -1);
  await chmod(draft, 0o700);
}
