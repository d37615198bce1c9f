/**
 * purge: removes the data of a deleted database for good. The tombstone stays, and beside it the
 * proof of what was removed; the lock file stays, so that nobody ever holds a second one.
 */
import { lstat, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../lib/errno.ts';
import { replaceFile, syncFolder } from '../lib/files.ts';
import { AppError } from '../model/errors.ts';
import type { Identity } from '../model/identity.ts';
import type { PurgeAnswer } from '../model/wire.ts';
import { removeAll } from './cold-files.ts';
import { checkOpen, type AgentContext } from './context.ts';
import { isRoot } from './prepare.ts';
import { endRun } from './suspend.ts';
import { releaseUid } from './uids.ts';

function checkTombstone(identity: Identity | undefined): Identity {
  if (identity === undefined) throw new AppError('database_not_found');
  if (identity.deleted_at === null) throw new AppError('not_deleted');
  return identity;
}

/** Regular files and their lengths. Links are not followed. */
async function measure(folder: string): Promise<{ files: number; bytes: number }> {
  const sum = { files: 0, bytes: 0 };
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    sum.files += 1;
    sum.bytes += (await lstat(join(entry.parentPath ?? entry.path, entry.name))).size;
  }
  return sum;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** What the data are renamed to: the one step after which they can not come back. */
const graveOf = (context: AgentContext, directory: string): string =>
  join(context.volume.directory(directory).folder, '.purged');

/** Measures, writes the proof, and takes the name away while nobody can take the tombstone back. */
async function bury(context: AgentContext, database: string, directory: string): Promise<void> {
  const { data, folder } = context.volume.directory(directory);
  const proof: PurgeAnswer = { directory, ...(await measure(data)) };
  await context.identities.under(database, async (identity) => {
    checkTombstone(identity);
    await replaceFile(context.volume.database(database).proof, `${JSON.stringify(proof)}\n`);
    await rename(data, graveOf(context, directory));
    await syncFolder(folder);
  });
}

async function emptyGrave(context: AgentContext, directory: string): Promise<void> {
  const grave = graveOf(context, directory);
  await rm(context.volume.directory(directory).relcache, { recursive: true, force: true });
  if (!(await exists(grave))) return;
  const { uid } = await stat(grave);
  await removeAll(grave);
  await syncFolder(context.volume.directory(directory).folder);
  if (isRoot()) await releaseUid(context.volume.uids, uid, directory);
}

/**
 * Idempotent: asked again it answers the same.
 * @throws AppError `not_deleted` without a tombstone, `database_not_found`, `held_elsewhere` or
 * `previous_incarnation_alive` while something still runs in it, `fenced`, `shutting_down`.
 */
export function purge(context: AgentContext, database: string): Promise<PurgeAnswer> {
  return context.queues.run(database, async () => {
    checkOpen(context);
    const { directory } = checkTombstone(await context.identities.read(database));
    const slot = context.slots.byDatabase(database);
    if (slot?.incarnation !== undefined) await endRun(context, slot, 'deleted');
    const holding = await context.holdings.take(directory);
    try {
      if (await exists(context.volume.directory(directory).data)) {
        await holding.release();
        await bury(context, database, directory);
      }
      await emptyGrave(context, directory);
    } finally {
      await holding.close();
    }
    const proof = await readFile(context.volume.database(database).proof, 'utf8');
    return JSON.parse(proof) as PurgeAnswer;
  });
}
