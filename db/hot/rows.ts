/** What statements answer, and are asked for. Types only. */
import type { Identity } from '../../model/identity.ts';
import type { SizeName } from '../../model/sizes.ts';
import type { DatabaseState } from '../../model/state.ts';

/** A database with its assignment. */
export interface DatabaseRow {
  readonly id: string;
  readonly tenant: string;
  readonly size: SizeName;
  readonly state: DatabaseState;
  readonly epoch: number;
  readonly directory: string | null;
  readonly last_host: string | null;
  readonly failures: number;
  readonly broken_reason: string | null;
  readonly retry_at: Date | null;
  readonly identity: Omit<Identity, 'directory' | 'version'>;
  readonly identity_version: number;
  readonly created_at: Date;
  readonly deleted_at: Date | null;
  readonly host: string | null;
  /** Of the slot: the database's own is that of its next start. */
  readonly assigned_size: SizeName | null;
  readonly slot: number | null;
  readonly assigned_epoch: number | null;
  readonly socket: string | null;
  readonly port: number | null;
}

/** Which databases a list is of. */
export interface ListFilter {
  readonly after: string;
  /** null: all */
  readonly tenants: readonly string[] | null;
  readonly state: string | null;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly limit: number;
}

export interface StartCall {
  readonly database: string;
  /** Where to look, the best first. */
  readonly hosts: readonly string[];
  /** Where not to look, whatever ran there last. */
  readonly silent: readonly string[];
  readonly deadlineMs: number;
  /** An operator's start tries a broken database before its time. */
  readonly force: boolean;
  /** Of maintenance: it claims only while more slots are vacant on `hosts`, and evicts nothing. */
  readonly floor: number | null;
}

/** Without host and epoch: there was no room, and nothing has changed. */
export interface StartClaim {
  readonly tenant: string;
  readonly size: SizeName;
  readonly epoch: number | null;
  readonly host: string | null;
  readonly slot: number | null;
  /** The slot holds a warm Postgres that has to go first. */
  readonly evicts: boolean | null;
}

export interface CreateClaim {
  /** Whether the tenant may have one more; there is nothing else if not. */
  readonly allowed: boolean;
  /** null: there is no room. */
  readonly host: string | null;
  readonly slot: number;
  readonly source: 'warm' | 'clone';
}

export interface Swept {
  readonly database: string;
  readonly was: string;
  readonly host: string;
}
