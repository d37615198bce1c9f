/**
 * The identity document: all of a database that must survive the loss of hot Postgres. It lies on
 * the volume at `databases/<id>/identity.json`, binds the database to its directory, and is the
 * authority on access, limits, labels and the tombstone: SQL and memory take it only where its
 * version is greater.
 */
import type { SizeName } from './sizes.ts';

/** A role's SCRAM verifiers in Postgres' own form; two at once during a rotation, same salt. */
export interface RoleAccess {
  readonly verifiers: readonly string[];
  /** Absent = true. What a right password does not open, then. */
  readonly login?: false;
  /** Milliseconds since 1970, after which no password fits; absent = for ever. */
  readonly valid_until?: number;
}

export interface Identity {
  readonly id: string;
  readonly tenant: string;
  readonly size: SizeName;
  /** The directory that holds the data; never changes. */
  readonly directory: string;
  /** Counts the document's changes, from 1. */
  readonly version: number;
  readonly roles: Readonly<Record<string, RoleAccess>>;
  /** SHA-256 of each password that SQL has set (model/authid.ts): what equals it is not new. */
  readonly authid_seen?: Readonly<Record<string, string>>;
  /** Milliseconds without work after which the database is suspended; 0 = with its last session. */
  readonly idle_ms: number;
  /** What becomes of sessions that sit idle when the idle time is over. */
  readonly idle_sessions: 'close' | 'keep';
  /** `application_name`s that do not count as work. */
  readonly ignore: readonly string[];
  /** CIDR blocks that may connect; empty = everyone. */
  readonly allow: readonly string[];
  readonly tls: 'optional' | 'required';
  readonly limits: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  /** SHA-256 of the create's request in hex, where it had a key: a repeat must ask for the same. */
  readonly request?: string;
  /** ISO 8601 instants. */
  readonly created_at: string;
  readonly deleted_at: string | null;
}

/** What a create hands to an agent: the agent knows the directory, and version 1 is the first. */
export type NewIdentity = Omit<Identity, 'directory' | 'version'>;
