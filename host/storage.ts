/**
 * Keeps each database within its size: what has grown above it takes no more writes, and takes them again
 * when it has been made smaller. Against the tenant that does not notice, not the one that insists: a
 * session may still say `read write`, which is how room is made.
 */
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { READ_ONLY_SETTING, setReadOnly } from '../db/tenant/read-only.ts';
import { isMissing } from '../lib/errno.ts';
import type { Identity } from '../model/identity.ts';
import { SIZES } from '../model/sizes.ts';
import { addressOf, note, type AgentContext } from './context.ts';
import type { Incarnation } from './incarnation.ts';
import type { Slot } from './slots.ts';

/** A disk writes some GB in that time; volumes keep more free than that. */
const LOOK_MS = 10_000;
const CALL_MS_MAX = 5_000;
const MIB = 1024 * 1024;
/** Bytes of a block of `stat`: POSIX. */
const BLOCK_BYTES = 512;

/** What a folder takes of its volume. Files that go meanwhile take nothing. */
async function bytesOf(folder: string): Promise<number> {
  let bytes = 0;
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await bytesOf(path);
    else if (entry.isFile())
      bytes += await stat(path).then(
        ({ blocks }) => blocks * BLOCK_BYTES,
        () => 0,
      );
  }
  return bytes;
}

/** Of a data directory without its WAL, which comes and goes by itself, up to max_wal_size. */
export async function databaseBytes(data: string): Promise<number> {
  return (await bytesOf(data)) - (await bytesOf(join(data, 'pg_wal')));
}

/** When its WAL was written last, in ms since 1970: nothing grows without. */
async function lastWriteOf(data: string): Promise<number> {
  const folder = join(data, 'pg_wal');
  const names = await readdir(folder).catch(() => []);
  const times = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return Math.max(0, ...times);
}

/** MiB: its own limit, else that of its size. */
const storageMibOf = ({ limits, size }: Pick<Identity, 'limits' | 'size'>): number =>
  limits['storage_mib'] ?? SIZES[size].storageMib;

/** Only the superuser writes that file, and only for this. */
async function isLimited({ data }: Incarnation): Promise<boolean> {
  const text = await readFile(join(data, 'postgresql.auto.conf'), 'utf8').catch(() => '');
  return text.includes(READ_ONLY_SETTING);
}

async function lookAt(context: AgentContext, slot: Slot, incarnation: Incarnation): Promise<void> {
  const { identities, guests, log } = context;
  const database = slot.database ?? '';
  const identity = await identities.recent(database, LOOK_MS);
  if (identity === undefined || identity.deleted_at !== null) return;
  const limitMib = storageMibOf(identity);
  const mib = Math.ceil((await databaseBytes(incarnation.data)) / MIB);
  const isOver = mib > limitMib;
  if (isOver === (await isLimited(incarnation))) return;
  const leave = guests.sit(incarnation);
  try {
    await setReadOnly(addressOf(incarnation), isOver, CALL_MS_MAX);
  } finally {
    leave();
  }
  note(context, isOver ? 'storage_limited' : 'storage_freed', slot, `${mib} of ${limitMib} MiB`);
  log.warn(
    { database, mib, limit_mib: limitMib },
    isOver ? 'too big: read-only' : 'writable again',
  );
}

export interface StorageLimits {
  readonly stop: () => void;
}

/** One database after the other, so that the volume has little to do with it; where nothing is written, once. */
export function startStorageLimits(context: AgentContext): StorageLimits {
  const writtenAt = new WeakMap<Incarnation, number>();
  let isLooking = false;
  async function look(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    try {
      for (const slot of context.slots.all()) {
        const { state, incarnation, database } = slot;
        if (state !== 'running' || incarnation === undefined || database === undefined) continue;
        const last = await lastWriteOf(incarnation.data);
        if (last === writtenAt.get(incarnation)) continue;
        try {
          await lookAt(context, slot, incarnation);
          writtenAt.set(incarnation, last);
        } catch (error) {
          context.log.warn({ err: error, database }, 'its size is not known');
        }
      }
    } catch (error) {
      context.log.error({ err: error }, 'nobody looks at sizes now');
    } finally {
      isLooking = false;
    }
  }
  const timer = setInterval(() => void look(), LOOK_MS);
  return { stop: () => clearInterval(timer) };
}
