/**
 * Holds starts and creates against the limits of their tenant, so that one tenant's crash loop does not
 * drain the pool. Rates and turns are counted here, without a row that all starts of a tenant would
 * wait for; how much is awake is counted in the index, now and then, and here in between.
 */
import { AppError } from '../model/errors.ts';
import { TENANT_LIMITS } from '../model/limits.ts';
import { newTenant, spend, type Tenant } from '../model/tenant.ts';
import { orAway } from './anywhere.ts';
import { tenantFind } from '../db/hot/tenant-find.ts';
import type { Hot } from '../db/hot/hot.ts';

/** What was read is asked again after this long; for a refusal, after the other. */
const FRESH_MS = 10_000;
const RECOUNT_MS = 500;
/** Databases, and tenants, that are remembered. */
const KNOWN_MAX = 100_000;

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= KNOWN_MAX) map.clear();
  map.set(key, value);
}

export type Tenants = ReturnType<typeof createTenants>;

export function createTenants(hot: Hot, now: () => number) {
  const tenants = new Map<string, Tenant>();
  const tenantOf = new Map<string, string>();

  async function read(database: string | null, asked: string | null): Promise<Tenant> {
    const row = await tenantFind(hot, database, asked, TENANT_LIMITS.running);
    const name = row?.name ?? asked;
    if (name === null) throw new AppError('database_not_found');
    if (database !== null) remember(tenantOf, database, name);
    const tenant = tenants.get(name) ?? newTenant(name);
    // Many databases of one tenant may be asked for at once: what was let through since counts.
    if (now() - tenant.readAt < RECOUNT_MS) return tenant;
    tenant.limits = { ...TENANT_LIMITS, ...row?.limits };
    tenant.running = (row?.running ?? 0) + tenant.starting;
    tenant.readAt = now();
    remember(tenants, name, tenant);
    return tenant;
  }

  async function find(database: string | null, name: string | null): Promise<Tenant> {
    const known = tenants.get(name ?? '');
    if (known !== undefined && now() - known.readAt < FRESH_MS) return known;
    // With the index away it goes by what is remembered of the tenant, or by the defaults.
    return orAway(read(database, name), () => known ?? newTenant(name ?? ''));
  }

  function leave(tenant: Tenant): void {
    const next = tenant.waiting.shift();
    if (next === undefined) tenant.starting -= 1;
    else next();
  }

  return {
    /**
     * Waits for a turn to start this database. @returns what gives it back.
     * @throws AppError `too_many_starts`, `too_many_running`, `database_not_found`.
     */
    async startTurn(database: string): Promise<() => void> {
      const tenant = await find(database, tenantOf.get(database) ?? null);
      const { starts, limits } = tenant;
      spend(starts, limits.starts_per_second, now(), 'too_many_starts');
      const isFull = (): boolean => tenant.running >= tenant.limits.running;
      // Where nobody can count, nobody is refused.
      if (isFull()) await orAway(read(database, tenant.name), () => (tenant.running = 0));
      if (isFull()) throw new AppError('too_many_running');
      tenant.running += 1;
      if (tenant.starting < limits.concurrent_starts) tenant.starting += 1;
      else await new Promise<void>((turn) => tenant.waiting.push(turn));
      return () => leave(tenant);
    },
    /** @returns the tenant's limits. @throws AppError `too_many_creates`. */
    async createTurn(name: string): Promise<Tenant['limits']> {
      const { creates, limits } = await find(null, name);
      spend(creates, limits.creates_per_second, now(), 'too_many_creates');
      return limits;
    },
  };
}
