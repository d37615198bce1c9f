/**
 * What the hot path's processes say to each other over HTTP. Types only; each server checks its own
 * input. Every error is `{ error: ErrorBody }` with the status of the error table.
 */
import type { NewIdentity, RoleAccess } from './identity.ts';
import type { SizeName } from './sizes.ts';
import type { Version } from './version.ts';

/**
 * Where an incarnation listens: `socket` is the folder, as libpq's `host`, and the socket in it is
 * `.s.PGSQL.<port>`. The folder's name holds directory id and epoch, so that a stale address finds
 * nothing.
 */
export interface Address {
  readonly socket: string;
  readonly port: number;
}

/** Which slot of which host: slots are numbered from 1 within (host, size). */
export interface SlotRef {
  readonly size: SizeName;
  readonly slot: number;
}

/* ---- host agent: what it answers ------------------------------------------------------------- */

/** POST /v1/create: makes a database in this slot, of its warm directory or of a clone. */
export interface CreateRequest extends SlotRef {
  readonly database: string;
  readonly source: 'warm' | 'clone';
  readonly identity: NewIdentity;
}

/** POST /v1/attach: starts a database in this slot as exactly this epoch. Idempotent on both. */
export interface AttachRequest extends SlotRef {
  readonly database: string;
  readonly epoch: number;
}

/** What create and attach answer. */
export interface Incarnation extends Version {
  readonly database: string;
  readonly directory: string;
  readonly epoch: number;
  readonly address: Address;
}

/** POST /v1/suspend. With `if_idle` the agent looks first and may answer `busy`. */
export interface AgentSuspendRequest {
  readonly database: string;
  readonly epoch: number;
  readonly if_idle: boolean;
}

/** `not_current`: another epoch runs, or none; nothing was done. */
export interface AgentSuspendAnswer extends Version {
  readonly outcome: 'suspended' | 'busy' | 'not_current';
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

/** A slot that is not vacant. */
export interface SlotReport extends SlotRef {
  readonly state: 'building' | 'warm' | 'starting' | 'running' | 'stopping';
  readonly directory: string;
  readonly epoch: number;
  /** Of `starting`, `running` and `stopping`. */
  readonly database?: string;
  /** Of `warm`, `running` and `stopping`. */
  readonly address?: Address;
}

/** GET /v1/state, and the body of a sync: the agent's whole state, constant work. */
export interface HostReport extends Version {
  readonly host: string;
  /** Where the api reaches the agent. */
  readonly url: string;
  /** Slots per size; whatever `slots` does not name is vacant. */
  readonly capacity: Readonly<Partial<Record<SizeName, number>>>;
  readonly slots: readonly SlotReport[];
  readonly volume: {
    readonly id: string;
    readonly kind: 'shared' | 'local';
    readonly free_bytes: number;
    readonly total_bytes: number;
  };
}

export type EventKind =
  | 'created'
  | 'started'
  | 'suspended'
  | 'crashed'
  | 'start_failed'
  | 'warmed'
  | 'recycled'
  | 'released';

/** A line of the agent's journal. (host, boot, seq) is its identity. */
export interface AgentEvent {
  readonly host: string;
  readonly boot: number;
  readonly seq: number;
  readonly kind: EventKind;
  /** ISO 8601 instant by the host's clock. */
  readonly at: string;
  readonly directory: string;
  readonly database?: string;
  readonly epoch: number;
  readonly size: SizeName;
  readonly reason?: string;
}

/* ---- api: what it answers --------------------------------------------------------------------- */

/** POST /v1/hosts/{id}/sync. `generation` names the hot database that the api speaks for. */
export interface SyncAnswer {
  readonly generation: string;
}

/** POST /v1/hosts/{id}/events. The highest (boot, seq) that the hot database holds without a gap. */
export interface EventsAnswer {
  readonly boot: number;
  readonly seq: number;
  readonly generation: string;
}

/** Why someone wants a database awake. */
export interface Cause {
  readonly role?: string;
  readonly application_name?: string;
  readonly source?: string;
}

/** POST /v1/databases/{id}/start. */
export interface StartRequest {
  readonly cause?: Cause;
  /** The epoch whose address did not answer: start a newer one. */
  readonly stale_epoch?: number;
  readonly priority?: 'demand' | 'maintenance';
  /** false: answer at once with the state and an estimate. */
  readonly wait?: boolean;
}

export type StartAnswer =
  | {
      readonly state: 'running';
      readonly epoch: number;
      readonly address: Address;
      readonly cold_start: ColdStart;
    }
  | {
      /** Of `wait: false`: it is on its way, for probably so many milliseconds more. */
      readonly state: 'starting';
      readonly cold_start: ColdStart;
      readonly estimate_ms: number;
    };

/** How a start was served: it ran already, another start was in flight, or it was woken. */
export type ColdStart = 'running' | 'joined' | 'resume';

/** POST /v1/databases. The password is shown here and nowhere else. */
export interface CreateAnswer {
  readonly id: string;
  readonly tenant: string;
  readonly size: SizeName;
  readonly epoch: number;
  readonly cold_start: 'warm' | 'clone';
  readonly role: string;
  readonly password: string;
  readonly connection_string: string;
}

/** POST /v1/databases/{id}/suspend. */
export interface SuspendRequest {
  readonly epoch: number;
  readonly if_idle?: boolean;
}

/** `not_current`: another epoch, or none, was current when it was looked at; nothing was done. */
export interface SuspendAnswer {
  readonly outcome: 'suspended' | 'busy' | 'not_current';
}

/** GET /v1/databases/{id}/route. */
export interface RouteAnswer {
  readonly state: 'running' | 'suspended';
  readonly epoch: number;
  readonly address?: Address;
  readonly stale: boolean;
}

/** GET /v1/databases/{id}/access: what the proxy needs before it wakes anything. */
export interface AccessAnswer {
  readonly database: string;
  readonly version: number;
  readonly roles: Readonly<Record<string, RoleAccess>>;
  readonly allow: readonly string[];
  readonly tls: 'optional' | 'required';
  readonly idle_ms: number;
}

/** POST /v1/databases/{id}/password: `add` makes a password, `revoke` leaves only the newest. */
export interface PasswordRequest {
  readonly role: string;
  readonly phase: 'add' | 'revoke';
}

/** `password` of `add`: it is here and nowhere else. */
export interface PasswordAnswer {
  readonly id: string;
  readonly role: string;
  readonly password?: string | undefined;
}

/** GET /v1/databases/{id}. */
export interface DatabaseAnswer {
  readonly id: string;
  readonly tenant: string;
  readonly size: SizeName;
  readonly state: 'suspended' | 'starting' | 'running' | 'suspending' | 'deleting' | 'broken';
  readonly epoch: number;
  readonly host: string | null;
  readonly idle_ms: number;
  readonly idle_sessions: 'close' | 'keep';
  readonly ignore: readonly string[];
  readonly allow: readonly string[];
  readonly tls: 'optional' | 'required';
  readonly labels: Readonly<Record<string, string>>;
  readonly created_at: string;
  readonly deleted_at: string | null;
  readonly broken: string | null;
}
