/** Reads what callers send. Everything that is wrong is a typed error that names the field. */
import { createHash } from 'node:crypto';
import { plainText } from '../lib/plain-text.ts';
import { AppError } from '../model/errors.ts';
import type { Identity, NewIdentity } from '../model/identity.ts';
import { parseIdentity } from '../model/identity-parse.ts';
import { isDatabaseId } from '../model/ids.ts';
import { MIGRATION_MS_MAX, MIGRATION_SQL_BYTES_MAX, isMigrationName } from '../model/migration.ts';
import { isSizeName, type SizeName } from '../model/sizes.ts';
import type {
  AgentSuspendRequest,
  ApplyRequest,
  Asked,
  AttachRequest,
  Cause,
  CreateRequest,
  DegradedAttachRequest,
  SlotRef,
} from '../model/wire.ts';
import type { WarmRequest } from './contract.ts';

/** PostgreSQL's own integers; epochs count starts. */
export const EPOCH_MAX = 2 ** 32 - 1;
const GRACE_MS_MAX = 600_000;

export const bad = (field: string): AppError =>
  new AppError('bad_request', { detail: `${field} is missing or wrong` });

type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown, field = 'the body'): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(field);
  return value as Fields;
}

export function count(fields: Fields, field: string, max: number): number {
  const value = fields[field];
  if (!Number.isSafeInteger(value) || Number(value) < 1 || Number(value) > max) throw bad(field);
  return Number(value);
}

function sizeOf(fields: Fields): SizeName {
  const { size } = fields as { size?: unknown };
  if (isSizeName(size)) return size;
  if (typeof size === 'string') throw new AppError('unknown_size');
  throw bad('size');
}

export function databaseOf(value: unknown): string {
  if (typeof value !== 'string' || !isDatabaseId(value)) throw bad('database');
  return value;
}

/** Slots are numbered from 1; how many there are is checked where one is taken. */
const SLOT_MAX = 1_000_000;

export function slotRefOf(body: unknown): SlotRef {
  const fields = fieldsOf(body);
  return { size: sizeOf(fields), slot: count(fields, 'slot', SLOT_MAX) };
}

export function warmRequestOf(body: unknown): WarmRequest {
  const fields = fieldsOf(body);
  const size = sizeOf(fields);
  return fields['slot'] === undefined ? { size } : { size, slot: count(fields, 'slot', SLOT_MAX) };
}

/** What the api takes in an event: one that it refuses would hold up all that follow. */
const TEXT_MAX = 200;
const CAUSES = ['role', 'application_name', 'source'] as const;

export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? plainText(value, TEXT_MAX) : undefined;

/** Who wants something; what is no cause is left out. */
export function causeOf(value: unknown): Cause {
  const fields = typeof value === 'object' ? (value as Fields | null) : null;
  const texts = CAUSES.map((name) => [name, textOf(fields?.[name])] as const);
  return Object.fromEntries(texts.filter(([, text]) => text !== undefined));
}

/** Facts for events, as the api says them, and whether anybody waits. */
function askedOf({ cause: said, request_id, priority }: Fields): Asked {
  const [cause, id] = [causeOf(said), textOf(request_id)];
  return {
    ...(Object.keys(cause).length === 0 ? {} : { cause }),
    ...(id === undefined ? {} : { request_id: id }),
    ...(priority === 'maintenance' ? { priority } : {}),
  };
}

/** With a `sync_token` it names neither epoch nor slot. */
export function attachRequestOf(body: unknown): AttachRequest | DegradedAttachRequest {
  const fields = fieldsOf(body);
  const { sync_token } = fields as { sync_token?: unknown };
  if (typeof sync_token === 'string')
    return { ...askedOf(fields), database: databaseOf(fields['database']), sync_token };
  return {
    ...askedOf(fields),
    ...slotRefOf(body),
    database: databaseOf(fields['database']),
    epoch: count(fields, 'epoch', EPOCH_MAX),
  };
}

export function suspendRequestOf(body: unknown): AgentSuspendRequest {
  const fields = fieldsOf(body);
  const ifIdle = fields['if_idle'];
  if (typeof ifIdle !== 'boolean') throw bad('if_idle');
  return {
    ...askedOf(fields),
    database: databaseOf(fields['database']),
    epoch: count(fields, 'epoch', EPOCH_MAX),
    if_idle: ifIdle,
  };
}

/** @throws AppError `bad_request`; a checksum that is not the text's is not what was planned. */
export function applyRequestOf(body: unknown): ApplyRequest {
  const fields = fieldsOf(body);
  const { name, checksum, sql } = fields as { name?: unknown; checksum?: unknown; sql?: unknown };
  if (!isMigrationName(name)) throw bad('name');
  if (typeof sql !== 'string' || Buffer.byteLength(sql) > MIGRATION_SQL_BYTES_MAX) throw bad('sql');
  if (checksum !== createHash('sha256').update(sql).digest('hex')) throw bad('checksum');
  return {
    database: databaseOf(fields['database']),
    epoch: count(fields, 'epoch', EPOCH_MAX),
    name,
    checksum: checksum,
    sql,
    lock_timeout_ms: count(fields, 'lock_timeout_ms', MIGRATION_MS_MAX),
    statement_timeout_ms: count(fields, 'statement_timeout_ms', MIGRATION_MS_MAX),
  };
}

function documentOf(value: unknown, database: string): Identity {
  const parsed = parseIdentity(value);
  if ('wrong' in parsed) throw bad(`identity: ${parsed.wrong}`);
  if (parsed.id !== database) throw bad('identity: id');
  return parsed;
}

/** Any valid name: the agent puts the real one in its place. */
const SOME_DIRECTORY = 'a'.repeat(16);

function newIdentityOf(value: unknown, database: string): NewIdentity {
  const fields = { ...fieldsOf(value, 'identity'), directory: SOME_DIRECTORY, version: 1 };
  const { directory: _, version: __, ...identity } = documentOf(fields, database);
  return identity;
}

export function createRequestOf(body: unknown): CreateRequest {
  const fields = fieldsOf(body);
  const database = databaseOf(fields['database']);
  const source = fields['source'];
  if (source !== 'warm' && source !== 'clone') throw bad('source');
  return {
    ...askedOf(fields),
    size: sizeOf(fields),
    ...(fields['slot'] === undefined ? {} : { slot: count(fields, 'slot', SLOT_MAX) }),
    database,
    source,
    identity: newIdentityOf(fields['identity'], database),
  };
}

export function putIdentityOf(
  body: unknown,
  database: string,
): { readonly expectedVersion: number; readonly document: Identity } {
  const fields = fieldsOf(body);
  return {
    expectedVersion: count(fields, 'expected_version', Number.MAX_SAFE_INTEGER),
    document: documentOf(fields['document'], database),
  };
}

/** The body of a shutdown may name how long a Postgres has until SIGKILL. */
export function graceMsOf(body: unknown): number | undefined {
  if (body === undefined) return undefined;
  const fields = fieldsOf(body);
  return fields['grace_ms'] === undefined ? undefined : count(fields, 'grace_ms', GRACE_MS_MAX);
}
