/** A look at whether anyone works in a tenant's Postgres. 3 to 12 ms of CPU: only when it is due. */
import type { AuthidRole } from '../../model/authid.ts';
import { SUPERUSER } from '../../model/tenant-role.ts';
import type { Address } from '../../model/wire.ts';
import { readAuthid } from './authid.ts';
import { asSuperuser, OWN_DATABASE } from './superuser.ts';

export interface Look {
  /** Client sessions of others than the agent; `ignored` of them carry an ignored name. */
  readonly clients: number;
  /** Of these, who has come in: one that is still at the door may as well be another of our looks. */
  readonly logged_in: number;
  readonly ignored: number;
  /** Not ignored and not plain idle: running a statement, inside a transaction, logging in. */
  readonly working: number;
  /** Milliseconds since one of the sessions that are not ignored did anything; null = there is none. */
  readonly quiet_ms: number | null;
  readonly prepared: number;
  readonly walsenders: number;
  readonly autovacuum: number;
  /** Since the statistics began: of every database but the agent's own, so that looks do not count. */
  readonly active_ms: number;
  readonly sessions: number;
}

const TEXT = `
  with others as (
    select backend_type, usename, state, state_change, application_name = any($1::text[]) as ignored
    from pg_stat_activity
    where backend_type in ('client backend', 'walsender', 'autovacuum worker')
      and pid <> pg_backend_pid()
      and usename is distinct from '${SUPERUSER}'
  ), clients as (
    select ignored, usename, state, state_change from others where backend_type = 'client backend'
  )
  select
    (select count(*)::int from clients) as clients,
    (select count(*)::int from clients where usename is not null) as logged_in,
    (select count(*)::int from clients where ignored) as ignored,
    (select count(*)::int from clients where not ignored and state is distinct from 'idle') as working,
    (select (extract(epoch from clock_timestamp() - max(state_change)) * 1000)::float8
       from clients where not ignored) as quiet_ms,
    (select count(*)::int from pg_prepared_xacts) as prepared,
    (select count(*)::int from others where backend_type = 'walsender') as walsenders,
    (select count(*)::int from others where backend_type = 'autovacuum worker') as autovacuum,
    (select coalesce(sum(active_time), 0)::float8 from pg_stat_database
       where datname <> '${OWN_DATABASE}') as active_ms,
    (select coalesce(sum(sessions), 0)::float8 from pg_stat_database
       where datname <> '${OWN_DATABASE}') as sessions`;

/**
 * Looks once, as the superuser, over a connection of its own.
 * @param ignore names of applications that do not count as work.
 * @param meanwhile run while the connection is open, after the statement.
 * @throws what pg throws if Postgres does not answer within `timeoutMs`.
 */
export async function lookAtTenant<T>(
  address: Address,
  ignore: readonly string[],
  timeoutMs: number,
  meanwhile: () => Promise<T>,
): Promise<{
  readonly look: Look;
  readonly authid: readonly AuthidRole[];
  readonly meanwhile: T;
}> {
  return asSuperuser(address, timeoutMs, async (client) => {
    const { rows } = await client.query<Look>(TEXT, [[...ignore]]);
    const [look] = rows;
    if (look === undefined) throw new Error('BUG: a look without a row');
    return { look, authid: await readAuthid(client), meanwhile: await meanwhile() };
  });
}
