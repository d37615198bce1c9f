/** What the api takes. */
import { z } from 'zod';
import { DEFAULT_IDLE_MS, EVENTS_PER_CALL_MAX } from '../model/limits.ts';
import { OWNER_ROLE } from '../model/ids.ts';
import * as words from './words.ts';

const PAGE = 100;
const PAGE_MAX = 1_000;
const SLOTS_MAX = 100_000;

/** POST /v1/databases */
export const createRequest = z.strictObject({
  tenant: words.tenantName,
  size: words.sizeName.default('small'),
  idle_ms: words.settings.idle_ms.default(DEFAULT_IDLE_MS),
  idle_sessions: words.settings.idle_sessions.default('close'),
  ignore: words.settings.ignore.default([]),
  allow: words.settings.allow.default([]),
  tls: words.settings.tls.default('optional'),
  labels: words.settings.labels.default({}),
});

/** PATCH /v1/databases/{id}; `size` holds from the next start. */
export const changeRequest = z.strictObject({ ...words.settings, size: words.sizeName }).partial();

/** GET /v1/databases */
export const listQuery = z.strictObject({
  tenant: words.tenantName.optional(),
  state: words.state.optional(),
  /** `key=value` */
  label: z
    .string()
    .regex(/^[^=]+=/, 'must be key=value')
    .optional(),
  /** The last id of the page before. */
  after: words.databaseId.or(z.literal('')).default(''),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE),
});

/** GET /v1/databases/{id}; `awake=false` asks no host, for those who look often. */
export const readQuery = z.strictObject({ awake: z.stringbool().default(true) });

/** POST /v1/databases/{id}/start */
export const startRequest = z
  .strictObject({
    cause: words.cause.exactOptional(),
    /** The epoch whose address did not answer: start a newer one. */
    stale_epoch: words.epoch.exactOptional(),
    priority: z.enum(['demand', 'maintenance']).exactOptional(),
    /** false: answer at once with the state and an estimate. */
    wait: z.boolean().exactOptional(),
  })
  .default({});

/** POST /v1/databases/{id}/suspend */
export const suspendRequest = z.strictObject({
  epoch: words.epoch,
  if_idle: z.boolean().exactOptional(),
});

/** POST /v1/databases/{id}/password */
export const passwordRequest = z
  .strictObject({
    role: words.name.default(OWNER_ROLE),
    /** A new one in the place of all, a new one beside the oldest, or none but the newest. */
    phase: z.enum(['replace', 'add', 'revoke']).default('replace'),
  })
  .default({ role: OWNER_ROLE, phase: 'replace' });

const slotReport = z.object({
  size: words.sizeName,
  slot: z.int().min(1),
  state: z.enum(['building', 'warm', 'starting', 'running', 'stopping']),
  directory: z.string(),
  epoch: z.int().min(0),
  /** Of `starting`, `running` and `stopping`. */
  database: z.string().exactOptional(),
  /** Of `warm`, `running` and `stopping`. */
  address: words.address.exactOptional(),
});

/** POST /v1/hosts/{id}/sync: an agent's whole state, every second. What it does not name is vacant. */
export const hostReport = z.object({
  host: words.hostId,
  /** Where the api reaches the agent. */
  url: z.url({ protocol: /^https?$/ }),
  boot: z.int().min(1),
  version: z.int().min(0),
  /** For an attach while the index is away, within 20 s. */
  sync_token: words.name.exactOptional(),
  /** Slots per size. */
  capacity: z.partialRecord(words.sizeName, z.int().min(0).max(SLOTS_MAX)),
  slots: z.array(slotReport).max(SLOTS_MAX),
  volume: z.object({
    id: z.string(),
    kind: z.enum(['shared', 'local']),
    free_bytes: z.number(),
    total_bytes: z.number(),
  }),
});

/** A line of an agent's journal: (host, boot, seq) is its identity. */
const event = z.object({
  host: z.string(),
  boot: z.int().min(1),
  seq: z.int().min(1),
  kind: z.enum([
    'created',
    'started',
    'suspended',
    'crashed',
    'start_failed',
    'warmed',
    'recycled',
    'released',
    'roles_changed',
    'storage_limited',
    'storage_freed',
    'sessions',
  ]),
  /** By the host's clock. */
  at: words.instant,
  directory: z.string(),
  database: z.string().exactOptional(),
  epoch: z.int().min(0),
  size: words.sizeName,
  reason: z.string().max(1_000).exactOptional(),
  /** Of what somebody asked for. */
  cause: words.cause.exactOptional(),
  request_id: words.name.exactOptional(),
  /** Of `sessions`: how many of the cause ended alike within some seconds, and what they took. */
  sessions: z
    .object({
      ended: words.name,
      count: z.int().min(1),
      bytes_in: z.number(),
      bytes_out: z.number(),
      session_ms: z.number(),
    })
    .exactOptional(),
});

/** POST /v1/hosts/{id}/events */
export const eventsRequest = z.object({
  events: z.array(event).min(1).max(EVENTS_PER_CALL_MAX),
});
