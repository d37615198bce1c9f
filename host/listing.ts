/**
 * The documents of the volume, a page at a time, with the last run of each: of them the index is made anew.
 * Nothing is locked and nothing is remembered, so that nobody who starts a database waits for this or
 * finds its document forgotten.
 */
import { opendir, readdir, stat } from 'node:fs/promises';
import { isMissing } from '../lib/errno.ts';
import { AppError } from '../model/errors.ts';
import type { Identity } from '../model/identity.ts';
import { isDatabaseId, isHostId } from '../model/ids.ts';
import { IDENTITIES_PER_PAGE, type IdentityPage, type ListedIdentity } from './contract.ts';
import { readDocument } from './identity.ts';
import { peekRunRecord } from './run-record.ts';
import type { Volume } from './volume.ts';

/** Names that are read of a folder at once. */
const FOLDER_BUFFER = 512;
/** So many times what is wanted is kept until the least of it are picked. */
const KEPT = 4;

/** The first names after one, in order, however many there are: a folder has no order of its own. */
async function namesAfter(folder: string, after: string, most: number): Promise<string[]> {
  let names: string[] = [];
  for await (const { name } of await opendir(folder, { bufferSize: FOLDER_BUFFER })) {
    if (name <= after || !isDatabaseId(name)) continue;
    names.push(name);
    if (names.length >= KEPT * most) names = names.sort().slice(0, most);
  }
  return names.sort().slice(0, most);
}

async function isGone(path: string): Promise<boolean> {
  try {
    await stat(path);
    return false;
  } catch (error) {
    if (isMissing(error)) return true;
    throw error;
  }
}

async function listed(volume: Volume, identity: Identity): Promise<ListedIdentity> {
  const { run, data } = volume.directory(identity.directory);
  const record = await peekRunRecord(run);
  return {
    identity,
    run:
      record === undefined
        ? null
        : { epoch: record.epoch, host: record.host, released: record.released },
    purged: identity.deleted_at !== null && (await isGone(data)),
  };
}

/** One after the other: whoever waits for a start waits for the same disk. */
export async function listIdentities(volume: Volume, after: string): Promise<IdentityPage> {
  const names = await namesAfter(volume.databases, after, IDENTITIES_PER_PAGE + 1);
  const page = names.slice(0, IDENTITIES_PER_PAGE);
  const identities: ListedIdentity[] = [];
  const damaged: string[] = [];
  for (const name of page) {
    try {
      const identity = await readDocument(volume, name);
      // A folder without a document is of a create that came to nothing, or goes on.
      if (identity !== undefined) identities.push(await listed(volume, identity));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      damaged.push(name);
    }
  }
  return {
    volume: volume.id,
    hosts: (await readdir(volume.hosts)).filter(isHostId).sort(),
    identities,
    damaged,
    next: names.length > page.length ? (page.at(-1) ?? null) : null,
  };
}
