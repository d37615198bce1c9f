/** Whom a tenant's Postgres is kept awake for: a look at its sessions, for people. */
import { SUPERUSER } from '../../model/tenant-role.ts';
import type { Address, AwakeSession } from '../../model/wire.ts';
import { asSuperuser } from './superuser.ts';

/** Sessions in one answer; the longest at work come first. */
const SESSIONS_MAX = 20;

const TEXT = `
  select coalesce(usename, '') as role, coalesce(application_name, '') as application_name,
         pid, host(client_addr) as source,
         case when backend_type = 'client backend' then coalesce(state, 'starting')
              else backend_type end as state,
         coalesce(state_change, backend_start) as since,
         backend_type = 'client backend' and application_name = any($1::text[]) as ignored,
         count(*) over ()::int as all
    from pg_stat_activity
   where backend_type in ('client backend', 'walsender', 'autovacuum worker')
     and pid <> pg_backend_pid()
     and usename is distinct from '${SUPERUSER}'
  union all
  select owner, gid, null, null, 'prepared transaction', prepared, false, 0 from pg_prepared_xacts
   order by ignored, since
   limit ${SESSIONS_MAX}`;

interface Row extends Omit<AwakeSession, 'since'> {
  readonly pid: number | null;
  readonly since: Date;
  readonly all: number;
}

/**
 * @param ignore names of applications that do not count as work.
 * @param sources addresses by process id, of sessions that came by a socket.
 * @throws what pg throws if Postgres does not answer within `timeoutMs`.
 */
export async function listSessions(
  address: Address,
  ignore: readonly string[],
  sources: ReadonlyMap<number, string>,
  timeoutMs: number,
): Promise<{ readonly sessions: readonly AwakeSession[]; readonly more: number }> {
  return asSuperuser(address, timeoutMs, async (client) => {
    const { rows } = await client.query<Row>(TEXT, [[...ignore]]);
    const sessions = rows.map(({ pid, role, application_name, state, ignored, ...row }) => ({
      ...{ role, application_name, state, ignored },
      source: row.source ?? sources.get(pid ?? 0) ?? null,
      since: row.since.toISOString(),
    }));
    const total = Math.max(0, ...rows.map(({ all }) => all));
    return { sessions, more: Math.max(0, total - sessions.length) };
  });
}
