/**
 * A run of a cold operation with its items: the databases that live at this moment, all or of a
 * list, in one statement. A run that exists is left as it is, so that a repeated step snapshots once.
 */
import type { Cold } from './pool.ts';

const statement = {
  name: 'run-create',
  text: `
with r as (
  insert into run (run_id, verb, spec) values ($1, $2, $3::jsonb)
  on conflict (run_id) do nothing
  returning run_id
), live as (
  insert into run_item (run_id, item_id)
  select r.run_id, d.id from r cross join database d
   where d.state = 'live' and ($4::text[] is null or d.id = any ($4))
  returning item_id
), missing as (
  insert into run_item (run_id, item_id, state, error)
  select r.run_id, u.id, 'skipped', 'database_not_found'
    from r cross join (select distinct unnest($4::text[]) as id) u
   where not exists (select from database d where d.id = u.id and d.state = 'live')
  returning item_id
)
select (select count(*) from r) = 1 as created,
       (select count(*) from live) as items,
       (select count(*) from missing) as missing`,
};

export interface NewRun {
  /** For example `migrate:2026-11-add-index`. */
  readonly run: string;
  /** The workflow's type. */
  readonly verb: string;
  /** What the run does, with checksums; compared by the caller if the run exists. No secrets. */
  readonly spec: unknown;
  /** Ids, or every database that lives. One that does not live becomes a skipped item. */
  readonly targets: 'all' | readonly string[];
}

export interface RunCreated {
  /** False: this run exists; `runFind` has its spec, `runCounts` its items. */
  readonly created: boolean;
  readonly items: number;
  readonly missing: number;
}

export async function runCreate(cold: Cold, run: NewRun): Promise<RunCreated> {
  const rows = await cold.durable<RunCreated>(statement, [
    run.run,
    run.verb,
    JSON.stringify(run.spec),
    run.targets === 'all' ? null : run.targets,
  ]);
  return rows[0] ?? { created: false, items: 0, missing: 0 };
}
