/** Sealed passwords: workers put them in, the console takes each out once. */
import type { Cold, Run } from './pool.ts';

const put = {
  name: 'sealed-password-put',
  text: `
insert into sealed_password (rotation, database_id, role, sealed) values ($1, $2, $3, $4)
on conflict (rotation, database_id) do update
  -- Not excluded.sealed: that would be a look at it, which workers may not have.
  set role = $3, sealed = $4, sealed_at = now(), opened_at = null`,
};

export interface SealedPassword {
  readonly rotation: string;
  readonly database: string;
  readonly role: string;
  /** What `sealBox` made. */
  readonly sealed: string;
}

/** A repeated add made another password: it takes the place of the one before, opened or not. */
export async function sealedPasswordPut(cold: Cold, password: SealedPassword): Promise<void> {
  const values = [password.rotation, password.database, password.role, password.sealed];
  await cold.durable(put, values);
}

const find = {
  name: 'sealed-password-find',
  text: `
select role, sealed from sealed_password where rotation = $1 and database_id = $2 for update`,
};

/** Locks the row until the transaction ends. `sealed` is null if it has been opened. */
export async function sealedPasswordFind(
  run: Run,
  rotation: string,
  database: string,
): Promise<{ readonly role: string; readonly sealed: string | null } | undefined> {
  const rows = await run<{ role: string; sealed: string | null }>(find, [rotation, database]);
  return rows[0];
}

const empty = {
  name: 'sealed-password-empty',
  text: `
update sealed_password set sealed = null, opened_at = now()
 where rotation = $1 and database_id = $2`,
};

export async function sealedPasswordEmpty(
  run: Run,
  rotation: string,
  database: string,
): Promise<void> {
  await run(empty, [rotation, database]);
}
