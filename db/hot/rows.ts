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
