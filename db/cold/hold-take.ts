/**
 * Takes the hold of a database, in one statement: free, run out, or the owner's own already (then it
 * lasts longer). Two cold operations never have it at once; who was too slow to renew has lost it.
 */
import type { Cold } from './pool.ts';

const statement = {
  name: 'hold-take',
  text: `
with taken as (
  insert into hold (database_id, owner, kind, until)
  values ($1, $2, $3, now() + $4 * interval '1 millisecond')
  on conflict (database_id) do update
    set owner = excluded.owner, kind = excluded.kind, until = excluded.until
    where hold.until <= now() or hold.owner = excluded.owner
  returning owner, kind
)
select true as taken, owner, kind from taken
union all
select false, h.owner, h.kind from hold h
 where h.database_id = $1 and not exists (select from taken)`,
};

export type HoldTaken =
  | { readonly taken: true }
  | { readonly taken: false; readonly owner: string; readonly kind: string };

export interface HoldRequest {
  readonly database: string;
  /** Stays over the attempts of an activity, such as `migrate:<name>`: it takes its own again. */
  readonly owner: string;
  /** The workflow's type. */
  readonly kind: string;
  readonly forMs: number;
}

/** @returns who has it, if someone else does. */
export async function holdTake(cold: Cold, hold: HoldRequest): Promise<HoldTaken> {
  const values = [hold.database, hold.owner, hold.kind, hold.forMs];
  const rows = await cold.durable<{ taken: boolean; owner: string; kind: string }>(
    statement,
    values,
  );
  const [row] = rows;
  // No row: the other's hold was there for the insert and gone for the look; it may be asked again.
  if (row === undefined) return { taken: false, owner: '', kind: '' };
  return row.taken ? { taken: true } : { taken: false, owner: row.owner, kind: row.kind };
}
