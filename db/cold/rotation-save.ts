/** Where a key rotation is, for people and for a later one: phases only go forward by the workflow. */
import type { Cold } from './pool.ts';

const statement = {
  name: 'rotation-save',
  text: `
insert into rotation (rotation, role, phase, revoke_at, ended_at)
values ($1, $2, $3, to_timestamp($4::bigint / 1000.0), case when $3 in ('done', 'aborted') then now() end)
on conflict (rotation) do update
  set phase = excluded.phase, revoke_at = coalesce(excluded.revoke_at, rotation.revoke_at),
      ended_at = excluded.ended_at`,
};

export interface Rotation {
  readonly rotation: string;
  readonly role: string;
  readonly phase: 'adding' | 'grace' | 'revoking' | 'done' | 'aborted';
  /** When the old passwords stop working, milliseconds; what was said before stays without it. */
  readonly revokeAtMs?: number;
}

export async function rotationSave(cold: Cold, rotation: Rotation): Promise<void> {
  const values = [rotation.rotation, rotation.role, rotation.phase, rotation.revokeAtMs ?? null];
  await cold.durable(statement, values);
}
