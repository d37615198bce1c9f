/**
 * Changes of access, limits, labels and the tombstone: written to the identity document on the
 * volume first, through an agent, and taken into the index from there.
 */
import { AppError, codeOf } from '../model/errors.ts';
import type { Identity } from '../model/identity.ts';
import { databaseIdentity } from '../db/hot/database-identity.ts';
import type { Context } from './context.ts';

/** Fields of the document that a caller may change. */
export type Change = Partial<Omit<Identity, 'id' | 'tenant' | 'directory' | 'version'>>;
/** Made of the document as it is now, once more if somebody came between. */
export type Changing = (current: Identity) => Change | Promise<Change>;

const TRIES = 5;

/** The host that runs it, which then knows at once; else any that is alive. */
export function writerOf(deps: Context, database: string): string {
  const live = deps.fleet.liveHosts(deps.now());
  const runs = deps.fleet.running(database)?.host;
  const writer = runs !== undefined && live.includes(runs) ? runs : live[0];
  if (writer === undefined) throw new AppError('unavailable', { detail: 'no host answers' });
  return writer;
}

/** As the volume has it. @throws AppError `database_not_found`, `unavailable`. */
export async function documentOf(deps: Context, id: string, requestId: string): Promise<Identity> {
  const read = () => deps.agents.identity(writerOf(deps, id), id, requestId);
  // Who has not answered is no longer among the live: another is asked.
  return read().catch((error: unknown) => {
    if (codeOf(error) !== 'unavailable') throw error;
    return read();
  });
}

/** @throws AppError the same, and `database_deleted`. */
export async function livingDocument(deps: Context, id: string, requestId: string) {
  const identity = await documentOf(deps, id, requestId);
  if (identity.deleted_at !== null) throw new AppError('database_deleted');
  return identity;
}

/**
 * Reads the document, changes it and writes it, until nobody came between.
 * @throws AppError `database_not_found`, `database_deleted`, `unavailable`.
 */
async function changeDocument(
  deps: Context,
  database: string,
  changing: Changing,
  requestId: string,
): Promise<Identity> {
  for (let tries = 0; tries < TRIES; tries++) {
    const current = await documentOf(deps, database, requestId);
    const writer = writerOf(deps, database);
    const change = await changing(current);
    // Only who takes it back may touch a tombstone.
    if (current.deleted_at !== null && change.deleted_at !== null) {
      // Who wrote it may have died before the index heard of it.
      await databaseIdentity(deps.hot, current);
      throw new AppError('database_deleted');
    }
    const next = { ...current, ...change, version: current.version + 1 };
    try {
      await deps.agents.putIdentity(writer, next, current.version, requestId);
      return next;
    } catch (error) {
      if (codeOf(error) !== 'identity_conflict') throw error;
    }
  }
  throw new AppError('identity_conflict');
}

/**
 * The same, and then the index. What the index could not be told it is owed.
 * @param late what the caller is told in that case.
 */
export async function changeIdentity(
  deps: Context,
  database: string,
  changing: Changing,
  requestId: string,
  late: 'refused' | 'accepted' = 'refused',
): ReturnType<typeof databaseIdentity> {
  const changed = await changeDocument(deps, database, changing, requestId);
  try {
    return await databaseIdentity(deps.hot, changed);
  } catch (error) {
    deps.adopter.owe(database);
    if (late === 'accepted' && codeOf(error) === 'unavailable') return undefined;
    throw error;
  }
}

/**
 * Writes the tombstone, then ends what runs. From the tombstone on nothing starts it again, so that
 * a stop that fails here is only late: the caller may repeat the delete.
 */
export async function deleteDatabase(
  deps: Context,
  database: string,
  requestId: string,
): Promise<string> {
  const deleted_at = new Date().toISOString();
  const assigned = await changeIdentity(deps, database, () => ({ deleted_at }), requestId);
  const at = deps.fleet.running(database) ?? assigned;
  if (at !== undefined) {
    const { host, epoch } = at;
    const said = await deps.agents.suspend(host, { database, epoch, if_idle: false }, requestId);
    deps.fleet.ended(database, epoch, { host, ...said });
  }
  return deleted_at;
}
