/** What a tenant may do and how much of it runs; found by its name, or by a database of it. */
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';

const statement = callOf('tenant_find', 3);

export interface TenantRow {
  readonly name: string;
  /** What differs from the defaults. */
  readonly limits: Readonly<Record<string, number>>;
  /** Databases that have a slot, counted up to the limit. */
  readonly running: number;
}

/** @param runningMax the default limit. */
export async function tenantFind(
  hot: Hot,
  database: string | null,
  name: string | null,
  runningMax: number,
): Promise<TenantRow | undefined> {
  return (await hot.quick<TenantRow>(statement, [database, name, runningMax]))[0];
}
