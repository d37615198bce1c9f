/**
 * What the api answers. No process loads this: the types are checked when it is compiled, the
 * answers themselves by tests, and docs/openapi.json is made of it.
 */
import { z } from 'zod';
import {
  address,
  cause,
  databaseId,
  epoch,
  instant,
  settings,
  sizeName,
  state,
  tenantName,
} from './words.ts';

/** How a start was served: it ran already, another start was in flight, or it was woken. */
export const coldStart = z.enum(['running', 'joined', 'resume']);

/** The password is shown here and nowhere else. */
export const createAnswer = z.strictObject({
  id: databaseId,
  tenant: tenantName,
  size: sizeName,
  epoch,
  /** `repeat`: its key had made it already; the password is a new one. */
  cold_start: z.enum(['warm', 'clone', 'repeat']),
  role: z.string(),
  password: z.string(),
  connection_string: z.string(),
});

export const startAnswer = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('running'), epoch, address, cold_start: coldStart }),
  /** Of `wait: false`: it is on its way, for probably so many milliseconds more. */
  z.strictObject({
    state: z.literal('starting'),
    cold_start: coldStart,
    estimate_ms: z.number(),
  }),
]);

/** A database that sleeps is not woken: its next start is a fresh one anyway. */
const restartAnswer = z.discriminatedUnion('state', [
  ...startAnswer.options,
  z.strictObject({ state: z.literal('suspended'), epoch: z.int() }),
]);

/** `not_current`: another epoch, or none, was current when it was looked at; nothing was done. */
export const suspendAnswer = z.strictObject({
  outcome: z.enum(['suspended', 'busy', 'not_current']),
});

export const routeAnswer = z.strictObject({
  state: z.enum(['running', 'suspended']),
  epoch: z.int(),
  address: address.exactOptional(),
  stale: z.boolean(),
});

/** What the proxy needs before it wakes anything. */
export const accessAnswer = z.strictObject({
  database: databaseId,
  tenant: tenantName,
  version: z.int(),
  roles: z.record(
    z.string(),
    z.object({
      verifiers: z.array(z.string()),
      login: z.literal(false).exactOptional(),
      valid_until: z.number().exactOptional(),
    }),
  ),
  allow: settings.allow,
  tls: settings.tls,
  idle_ms: settings.idle_ms,
  /** Where it runs, if it does: its host knows what SQL has said of roles since. */
  at: z.object({ epoch: z.int(), address }).exactOptional(),
});

/** `password` of `replace` and `add`: it is here and nowhere else. */
export const passwordAnswer = z.strictObject({
  id: databaseId,
  role: z.string(),
  password: z.string().optional(),
});

/** A database as operators and customers see it: never its verifiers. */
export const databaseAnswer = z.strictObject({
  id: databaseId,
  tenant: tenantName,
  size: sizeName,
  state,
  epoch: z.int(),
  host: z.string().nullable(),
  ...settings,
  created_at: instant,
  deleted_at: instant.nullable(),
  /** Why it does not start. */
  broken: z.string().nullable(),
  /** By the volume and by what hosts have said: the index is away. */
  stale: z.boolean(),
});

/** What somebody is at, of those who keep it awake; `ignored` ones do not. */
export const awakeSession = z.strictObject({
  role: z.string(),
  application_name: z.string(),
  /** The client's address, within a second or two; null: no proxy has said it. */
  source: z.string().nullable(),
  /** As pg_stat_activity says it, or `walsender`, `autovacuum worker`, `prepared transaction`. */
  state: z.string(),
  since: instant,
  ignored: z.boolean(),
});

export const wokenBy = cause.extend({ at: instant });

/** A source of wakes: how many within the hour, and how many runs in a row were for nothing. */
export const wakeCount = z.strictObject({
  cause,
  last_hour: z.int(),
  last_at: instant,
  idle_runs: z.int(),
  /** It comes back at every suspend and never executes anything: its wakes are refused until then. */
  backed_off_until: instant.nullable(),
});

/** One database, and why it is awake: null if it sleeps or its host does not say. */
export const databaseDetail = databaseAnswer.extend({
  awake: z
    .strictObject({
      woken_by: wokenBy.nullable(),
      sessions: z.array(awakeSession).nullable(),
      /** Sessions that are not listed. */
      more: z.int(),
    })
    .nullable(),
  wakes: z.array(wakeCount),
});

/** `next`: the `after` of the next page; null = this was the last. */
const listAnswer = z.strictObject({
  databases: z.array(databaseAnswer),
  next: databaseId.nullable(),
});

const deleteAnswer = z.strictObject({ id: databaseId, deleted_at: instant });
const undeleteAnswer = z.strictObject({ id: databaseId });

/** `generation` names the hot database that the api speaks for. */
export const syncAnswer = z.strictObject({ generation: z.string() });

/** The highest (boot, seq) that the hot database holds without a gap. */
export const eventsAnswer = z.strictObject({
  boot: z.int(),
  seq: z.int(),
  generation: z.string(),
});

const healthAnswer = z.strictObject({
  status: z.enum(['ok', 'served', 'degraded', 'not served']),
  /** What is not there now. */
  missing: z.array(z.string()).optional(),
});

/** By method and path; a test holds it against the routes. */
export const ANSWERS: Readonly<Record<string, z.ZodType>> = {
  'post /v1/databases': createAnswer,
  'get /v1/databases': listAnswer,
  'get /v1/databases/:id': databaseDetail,
  'patch /v1/databases/:id': databaseAnswer,
  'delete /v1/databases/:id': deleteAnswer,
  'post /v1/databases/:id/undelete': undeleteAnswer,
  'post /v1/databases/:id/password': passwordAnswer,
  'post /v1/databases/:id/start': startAnswer,
  'post /v1/databases/:id/suspend': suspendAnswer,
  'post /v1/databases/:id/restart': restartAnswer,
  'get /v1/databases/:id/route': routeAnswer,
  'get /v1/databases/:id/access': accessAnswer,
  'post /v1/hosts/:id/sync': syncAnswer,
  'post /v1/hosts/:id/events': eventsAnswer,
  'get /livez': healthAnswer,
  'get /readyz': healthAnswer,
  'get /metrics': z.string(),
  'get /openapi.json': z.looseObject({}),
};
