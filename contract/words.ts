/** What several calls share. zod is the one source of types, checks and docs/openapi.json. */
import { z } from 'zod';
import { isDatabaseId, isHostId, isTenantName } from '../model/ids.ts';
import { IDLE_MS_MAX } from '../model/limits.ts';
import { SIZES, type SizeName } from '../model/sizes.ts';
import { STATES } from '../model/state.ts';

/** What a schema lets through, as `model/wire.ts` names it: nobody changes what was received. */
export type Said<S extends z.ZodType> = Frozen<z.output<S>>;
type Frozen<T> = T extends readonly (infer U)[]
  ? readonly Frozen<U>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

const NAME_MAX = 200;
const LIST_MAX = 100;

/** IPv4 or IPv6 with an optional prefix length. */
const CIDR = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);

export const tenantName = z.string().refine(isTenantName, 'must be a DNS label');
export const hostId = z.string().refine(isHostId, 'must be a DNS label');
export const databaseId = z.string().refine(isDatabaseId, 'must be the id of a database');
export const sizeName = z.enum(Object.keys(SIZES) as [SizeName, ...SizeName[]]);
export const state = z.enum(STATES);
export const instant = z.iso.datetime();
export const epoch = z.int().min(1);
export const name = z.string().max(NAME_MAX);

/** What of the identity document a caller may set and change. */
export const settings = {
  /** Milliseconds without work after which it is suspended; 0 = with its last session. */
  idle_ms: z.int().min(0).max(IDLE_MS_MAX),
  idle_sessions: z.enum(['close', 'keep']),
  /** `application_name`s that do not count as work. */
  ignore: z.array(name).max(LIST_MAX),
  allow: z.array(CIDR).max(LIST_MAX),
  tls: z.enum(['optional', 'required']),
  labels: z.record(z.string().min(1).max(63), name),
};

/**
 * Where an incarnation listens: a folder, as libpq's `host`, with `.s.PGSQL.<port>` in it; where other machines
 * reach it, `tls://<gate>` before that.
 */
export const address = z.object({ socket: z.string(), port: z.int() });

/** Why someone wants a database awake. */
export const cause = z.strictObject({
  role: name.exactOptional(),
  application_name: name.exactOptional(),
  source: name.exactOptional(),
});
