/**
 * Unix users of tenants' directories, where the agent is root: numbers without a name, one a
 * directory, given away for the whole volume by making `uids/<n>` (O_EXCL).
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../model/errors.ts';
import { errnoOf, isMissing } from '../lib/errno.ts';
import { syncFolder } from '../lib/files.ts';

export interface UidRange {
  readonly min: number;
  readonly max: number;
}

/** Above what systems give to people and containers' own ranges, where the namespace maps it. */
const HIGH: UidRange = { min: 100_000, max: 1_100_000 };
/** Where the user namespace maps the usual 65,536 only. */
const LOW: UidRange = { min: 20_000, max: 60_000 };
const ATTEMPTS_MAX = 200;

/** Chooses the range by /proc/self/uid_map: lines of `inside outside count`. Pure. */
export function uidRangeOf(uidMap: string): UidRange {
  const maps = uidMap.trim().split('\n');
  const covers = (range: UidRange): boolean =>
    maps.some((line) => {
      const [inside, , count] = line.trim().split(/\s+/).map(Number);
      return (
        inside !== undefined &&
        count !== undefined &&
        inside <= range.min &&
        inside + count >= range.max
      );
    });
  return covers(HIGH) ? HIGH : LOW;
}

/** @throws AppError `no_capacity` if 200 random numbers were all taken. */
export async function reserveUid(folder: string, directory: string): Promise<number> {
  const range = uidRangeOf(readFileSync('/proc/self/uid_map', 'latin1'));
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const uid = randomInt(range.min, range.max);
    try {
      await writeFile(join(folder, String(uid)), `${directory}\n`, { flag: 'wx', mode: 0o600 });
      await syncFolder(folder);
      return uid;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
  throw new AppError('no_capacity', { detail: 'no unix user is left on this volume' });
}

/** Only as long as it is that directory's: a removal that is repeated may come when it is another's. */
export async function releaseUid(folder: string, uid: number, directory: string): Promise<void> {
  const path = join(folder, String(uid));
  try {
    if ((await readFile(path, 'utf8')).trim() === directory) await rm(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
