/**
 * What the hot path's processes say to each other over HTTP. Types only: the api's calls are those of
 * the zod schemas in `contract/`, which it checks input by; an agent checks its own. Every error is
 * `{ error: ErrorBody }` with the status of the error table.
 */
import type * as answers from '../contract/answers.ts';
import type * as requests from '../contract/requests.ts';
import type * as words from '../contract/words.ts';
import type { Said } from '../contract/words.ts';
import type { NewIdentity } from './identity.ts';
import type { SizeName } from './sizes.ts';
import type { Version } from './version.ts';

export type Address = Said<typeof words.address>;

/** Which slot of which host: slots are numbered from 1 within (host, size). */
export interface SlotRef {
  readonly size: SizeName;
  readonly slot: number;
}

/* ---- host agent: what it answers ------------------------------------------------------------- */

/** Why an agent is asked, and by which request: for its events. No customer waits for maintenance. */
export interface Asked {
  readonly cause?: Cause | undefined;
  readonly request_id?: string;
  readonly priority?: StartRequest['priority'];
}

/** POST /v1/create: makes a database in this slot, of its warm directory or of a clone. */
export interface CreateRequest extends Asked {
  readonly size: SizeName;
  /** Without one the agent takes any of its warm ones: the index is away. */
  readonly slot?: number;
  readonly database: string;
  readonly source: 'warm' | 'clone';
  readonly identity: NewIdentity;
}

/** POST /v1/attach: starts a database in this slot as exactly this epoch. Idempotent on both. */
export interface AttachRequest extends SlotRef, Asked {
  readonly database: string;
  readonly epoch: number;
}

/**
 * POST /v1/attach while the index is away: in any vacant slot of its size, as the next epoch. What runs
 * already is answered.
 */
export interface DegradedAttachRequest extends Asked {
  readonly database: string;
  /** Of the host's last report: a request that was under way for long starts nothing. */
  readonly sync_token: string;
}

/** What create and attach answer. */
export interface Incarnation extends Version {
  readonly database: string;
  readonly directory: string;
  readonly epoch: number;
  readonly address: Address;
}

/** POST /v1/suspend. With `if_idle` the agent looks first and may answer `busy`. */
export interface AgentSuspendRequest extends Asked {
  readonly database: string;
  readonly epoch: number;
  readonly if_idle: boolean;
}

/** `not_current`: another epoch runs, or none; nothing was done. */
export interface AgentSuspendAnswer extends Version {
  readonly outcome: 'suspended' | 'busy' | 'not_current';
}

export type AwakeSession = Said<typeof answers.awakeSession>;

/**
 * GET /v1/awake/{database}: who woke it, who keeps it awake, and who has woken it lately, as far as
 * this host knows.
 */
export interface AwakeAnswer extends Version {
  /** Whether anybody has ever logged in; null if nobody can tell just now. */
  readonly visited: boolean | null;
  readonly epoch: number | null;
  readonly woken_by: Said<typeof answers.wokenBy> | null;
  /** At most 20, and how many `more`; null: it does not run here, or does not answer. */
  readonly sessions: readonly AwakeSession[] | null;
  readonly more: number;
  readonly wakes: readonly Said<typeof answers.wakeCount>[];
}

/** POST /v1/warm: builds a warm slot. POST /v1/recycle: stops one and empties it. */
export interface WarmAnswer extends Version {
  readonly slot: number;
  readonly directory: string;
}

/**
 * POST /v1/apply: runs a migration in one transaction as the tenant's owner, once. The same name and
 * checksum again is `already_applied`; the same name with another checksum is refused.
 */
export interface ApplyRequest {
  readonly database: string;
  /** The incarnation that is meant. */
  readonly epoch: number;
  readonly name: string;
  /** SHA-256 of `sql` in hex. */
  readonly checksum: string;
  readonly sql: string;
  /** For each lock, and for all of it together. */
  readonly lock_timeout_ms: number;
  readonly statement_timeout_ms: number;
}

export interface ApplyAnswer extends Version {
  readonly outcome: 'applied' | 'already_applied';
}

/** DELETE /v1/directories/{database}: what was removed, the same however often it is asked. */
export interface PurgeAnswer {
  readonly directory: string;
  /** Regular files, and the sum of their lengths. */
  readonly files: number;
  readonly bytes: number;
}

/* ---- api: what it takes and answers ----------------------------------------------------------- */

/** GET /v1/state of an agent, and the body of a sync: the agent's whole state, constant work. */
export type HostReport = Said<typeof requests.hostReport>;
export type SlotReport = HostReport['slots'][number];
export type AgentEvent = Said<typeof requests.eventsRequest>['events'][number];

export type Cause = Said<typeof words.cause>;
export type ColdStart = Said<typeof answers.coldStart>;

export type StartRequest = Said<typeof requests.startRequest>;
export type SuspendRequest = Said<typeof requests.suspendRequest>;
export type PasswordRequest = Said<typeof requests.passwordRequest>;

export type SyncAnswer = Said<typeof answers.syncAnswer>;
export type EventsAnswer = Said<typeof answers.eventsAnswer>;
export type StartAnswer = Said<typeof answers.startAnswer>;
export type CreateAnswer = Said<typeof answers.createAnswer>;
export type SuspendAnswer = Said<typeof answers.suspendAnswer>;
export type RouteAnswer = Said<typeof answers.routeAnswer>;
export type AccessAnswer = Said<typeof answers.accessAnswer>;
/** A host agent's, at the socket for proxies. */
export interface HostAccessAnswer {
  readonly access: AccessAnswer;
  /** false: that epoch was the last one, and has ended. */
  readonly runs: boolean;
}
/** POST /v1/sessions/opened at that socket: whose address is behind which backend. */
export interface SessionSource {
  readonly database: string;
  readonly epoch: number;
  /** The backend's, as its cancel key says it. */
  readonly pid: number;
  readonly source: string;
}
/** POST /v1/sessions/ended: sessions and refusals that ended alike within some seconds. */
export interface SessionSummary extends NonNullable<AgentEvent['sessions']> {
  readonly database: string;
  readonly epoch: number;
  readonly cause: Cause;
}
/** The same `batch` of the same proxy is the same, however often it comes. */
export interface SessionsEnded {
  readonly proxy: string;
  readonly batch: number;
  readonly sessions: readonly SessionSummary[];
}
export interface SessionSourcesAnswer {
  /** Of the agent: one with another has heard nothing yet. */
  readonly boot: number;
}
export type PasswordAnswer = Said<typeof answers.passwordAnswer>;
export type DatabaseDetail = Said<typeof answers.databaseDetail>;
export type DatabaseAnswer = Said<typeof answers.databaseAnswer>;
