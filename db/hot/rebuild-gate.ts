/**
 * Keeps the apis out of an index that is being filled: to them it is away, so that they go by the volume.
 * With half of the rows they would refuse what exists. All of it by a role that may do more than theirs.
 */
import type { Hot, Statement } from './hot.ts';

const look = {
  name: 'rebuild-look',
  text: `
select to_regclass('public.generation') is not null as schema,
       (select not exists (
          select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
           where s.setrole = r.oid and d.datname = current_database()
             and 'search_path=pg_temp' = any (s.setconfig))
          from pg_roles r where r.rolname = 'pilotlight_api') as open`,
};

export interface RebuildLook {
  readonly schema: boolean;
  /** False: an earlier run was cut off. null: there is no role of the apis yet. */
  readonly open: boolean | null;
}

/** Whether the server has the schema, and lets the apis in. */
export async function rebuildLook(hot: Hot): Promise<RebuildLook> {
  const [found] = await hot.durable<RebuildLook>(look, []);
  if (found === undefined) throw new Error('BUG: no look at the catalogue');
  return found;
}

const empty = {
  name: 'rebuild-empty',
  text: 'select not exists (select from database) as is_empty',
};

export async function rebuildIsEmpty(hot: Hot): Promise<boolean> {
  return (await hot.durable<{ is_empty: boolean }>(empty, []))[0]?.is_empty ?? false;
}

/** By a search path on which the apis' sessions of this database find nothing: no more is touched. */
const forApis = (name: string, what: string): Statement => ({
  name,
  text: `
do $$ begin
  execute format('alter role pilotlight_api in database %I ${what}', current_database());
end $$`,
});

const shut = forApis('rebuild-shut', 'set search_path = pg_temp');
const turnOut = {
  name: 'rebuild-turn-out',
  text: `
select pg_terminate_backend(pid) from pg_stat_activity
 where usename = 'pilotlight_api' and datname = current_database()`,
};

/** From here on the apis find nothing here, until `rebuildOpen`. */
export async function rebuildShut(hot: Hot): Promise<void> {
  await hot.durable(shut, []);
  await hot.durable(turnOut, []);
}

const open = forApis('rebuild-open', 'reset search_path');

/** A session keeps the path that it began with: it is ended, and the next one finds what there is. */
export async function rebuildOpen(hot: Hot): Promise<void> {
  await hot.durable(open, []);
  await hot.durable(turnOut, []);
}

const renew = {
  name: 'generation-renew',
  text: `
insert into generation default values
on conflict (one_row) do update set id = excluded.id`,
};

/** Another hot database from here on: hosts ship their journals again. */
export async function generationRenew(hot: Hot): Promise<void> {
  await hot.durable(renew, []);
}

const ask = {
  name: 'resync-ask',
  text: `
insert into resync select u.host_id from unnest($1::text[]) u(host_id)
 where not exists (select from resync r where r.host_id = u.host_id)`,
};

/** Each of them is heard again, though nothing has changed there since its last report. */
export async function resyncAsk(hot: Hot, hosts: readonly string[]): Promise<void> {
  await hot.durable(ask, [hosts]);
}
