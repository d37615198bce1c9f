/**
 * Applies a migration to a tenant's database, once.
 *
 * The file runs in a session that is the tenant's own role from its first moment. A superuser's
 * session that has only put the role on would be a way up: whatever of the tenant's the migration
 * sets off (a trigger, a default, a function) could put it off again.
 *
 * So that the record is written in the same transaction and yet not by the tenant, the superuser
 * first leaves the hash of a ticket in a table that only it can write, and the tenant's transaction
 * ends with a call that turns the ticket in. Nothing of the tenant's runs in between that knows it.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { AppError } from '../../model/errors.ts';
import { OWNER_DATABASE, OWNER_ROLE } from '../../model/ids.ts';
import { SUPERUSER } from '../../model/tenant-role.ts';
import type { Address, ApplyAnswer, ApplyRequest } from '../../model/wire.ts';

/** For the superuser's own statements, which touch a few rows. */
const OWN_MS_MAX = 5_000;
/** How much later than the server a silent connection is given up. */
const ANSWER_MS_MAX = 5_000;

/** Above what a tenant can set for the database or its role, so that nothing of it counts here. */
const OWN_SETTINGS = '-c search_path=pg_catalog -c default_transaction_read_only=off';

const SCHEMA = 'pilotlight';

/** Made once. `applied_at` null: it was tried. A tenant may read it, so that pg_dump works. */
const MAKE = `
create table ${SCHEMA}.migration (
  name text primary key, checksum text not null, applied_at timestamptz, ticket bytea
);
create function ${SCHEMA}.record(the_name text, the_ticket text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $record$
begin
  update ${SCHEMA}.migration set applied_at = clock_timestamp(), ticket = null
   where name = the_name and applied_at is null and ticket = sha256(convert_to(the_ticket, 'UTF8'));
  if not found then
    raise exception 'no such ticket' using errcode = 'insufficient_privilege';
  end if;
end
$record$;
grant usage on schema ${SCHEMA} to ${OWNER_ROLE};
grant select on ${SCHEMA}.migration to ${OWNER_ROLE};`;

const FIND_SCHEMA = `
select pg_get_userbyid(n.nspowner) = '${SUPERUSER}' as ours,
       exists (select from pg_class c where c.relnamespace = n.oid and c.relname = 'migration') as made
  from pg_namespace n where n.nspname = '${SCHEMA}'`;

const LEAVE_TICKET = `
insert into ${SCHEMA}.migration as m (name, checksum, ticket)
values ($1, $2, sha256(convert_to($3, 'UTF8')))
on conflict (name) do update set checksum = excluded.checksum, ticket = excluded.ticket
  where m.applied_at is null
returning 1`;

export interface ApplyOptions extends Pick<ApplyRequest, 'name' | 'checksum' | 'sql'> {
  readonly address: Address;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** Called around each connection, so that it is not taken for one of the tenant's. */
  readonly visit: <T>(work: () => Promise<T>) => Promise<T>;
}

/** What Postgres said, without a word of it: texts hold values, and names are the tenant's. */
function errorOf(error: unknown): unknown {
  if (error instanceof AppError) return error;
  if (!(error instanceof pg.DatabaseError)) return new AppError('unavailable');
  const position = error.internalPosition === undefined ? {} : { at: error.internalPosition };
  return new AppError('migration_failed', {
    data: { sqlstate: error.code ?? 'XX000', ...position },
  });
}

interface SessionOptions {
  readonly user: string;
  readonly settings: string;
  readonly timeoutMs: number;
}

async function inSession<T>(
  { address, visit }: ApplyOptions,
  { user, settings, timeoutMs }: SessionOptions,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    host: address.socket,
    port: address.port,
    user,
    database: OWNER_DATABASE,
    application_name: 'pilotlight',
    connectionTimeoutMillis: OWN_MS_MAX,
    query_timeout: timeoutMs + ANSWER_MS_MAX,
    options: `-c statement_timeout=${timeoutMs} ${settings}`,
  });
  client.on('error', () => undefined);
  return visit(async () => {
    try {
      await client.connect();
      return await work(client);
    } catch (error) {
      throw errorOf(error);
    } finally {
      await client.end().catch(() => undefined);
    }
  });
}

/** @throws AppError `migration_failed` if the tenant has made a schema of this name. */
async function makeSchema(client: pg.Client): Promise<void> {
  await client.query(`create schema if not exists ${SCHEMA}`);
  const { rows } = await client.query<{ ours: boolean; made: boolean }>(FIND_SCHEMA);
  const [found] = rows;
  // Whoever owns the schema decides what runs when a row is written in it.
  if (found?.ours !== true)
    throw new AppError('migration_failed', {
      detail: `the schema ${SCHEMA} is the tenant's`,
      data: { sqlstate: '42501' },
    });
  if (!found.made) await client.query(MAKE);
}

/** @returns false if it is applied already. @throws AppError `migration_conflict` */
function leaveTicket(options: ApplyOptions, ticket: string): Promise<boolean> {
  const { name, checksum } = options;
  const settings = `-c lock_timeout=${OWN_MS_MAX} ${OWN_SETTINGS}`;
  const session = { user: SUPERUSER, settings, timeoutMs: OWN_MS_MAX };
  return inSession(options, session, async (client) => {
    await client.query('begin');
    await makeSchema(client);
    const left = await client.query(LEAVE_TICKET, [name, checksum, ticket]);
    await client.query('commit');
    if (left.rows.length > 0) return true;
    const find = `select checksum from ${SCHEMA}.migration where name = $1`;
    const { rows } = await client.query<{ checksum: string }>(find, [name]);
    if (rows[0]?.checksum !== checksum) throw new AppError('migration_conflict');
    return false;
  });
}

/**
 * The file as one statement, so that its time-out is for all of it, and so that it can not end the
 * transaction: EXECUTE refuses that.
 */
function asStatement(sql: string): string {
  const outer = `$m${randomBytes(8).toString('hex')}$`;
  const inner = `$m${randomBytes(8).toString('hex')}$`;
  return `do ${outer}begin execute ${inner}${sql}${inner}; end${outer}`;
}

/**
 * @throws AppError `migration_failed` with `sqlstate` (and `at`, the character in the file) of what
 * Postgres said; then nothing of it is left. `migration_conflict` if another file of that name is
 * applied. `unavailable` if Postgres did not answer: then it may be applied all the same.
 */
export async function applyMigration(options: ApplyOptions): Promise<ApplyAnswer['outcome']> {
  const ticket = randomBytes(24).toString('base64url');
  if (!(await leaveTicket(options, ticket))) return 'already_applied';
  const session = {
    user: OWNER_ROLE,
    settings: `-c lock_timeout=${options.lockTimeoutMs} -c default_transaction_read_only=off`,
    timeoutMs: options.statementTimeoutMs,
  };
  return inSession<ApplyAnswer['outcome']>(options, session, async (client) => {
    await client.query('begin');
    await client.query(asStatement(options.sql));
    await client.query('reset role');
    await client.query(`select ${SCHEMA}.record($1, $2)`, [options.name, ticket]);
    await client.query('commit');
    return 'applied';
  });
}
