/**
 * Finds a Temporal server, or makes one: the program on PATH, an earlier one of the user's cache, the
 * SDK's own download, a build with Go. The first that may work on this home's state file.
 */
import { isExecutable, judge, madeBy, onPath, type Binary } from './binary.ts';
import { cachedBinary, lockCache } from './cache.ts';
import { build, download, type Made, type MakeOptions } from './make.ts';

export type Found = Binary | { readonly why: string };

/**
 * Looks without making anything.
 * @param folder where the server keeps its state file.
 * @param given a program that goes before all others; '' for none.
 */
export async function findBinary(folder: string, given = ''): Promise<Found> {
  const made = await madeBy(folder);
  if (given !== '') return judge(given, 'given', made);
  const whys: string[] = [];
  const places: readonly (readonly [string | undefined, string])[] = [
    [await onPath('temporal'), 'on PATH'],
    [cachedBinary(), 'of an earlier start'],
  ];
  for (const [path, from] of places) {
    if (path === undefined || !(await isExecutable(path))) continue;
    const judged = await judge(path, from, made);
    if ('path' in judged) return judged;
    whys.push(judged.why);
  }
  return { why: whys.length === 0 ? 'no temporal on PATH or in the cache' : whys.join('; ') };
}

export interface FindOptions extends MakeOptions {
  readonly folder: string;
  /** See findBinary. */
  readonly given: string;
}

/** Finds or makes. @returns in one line why there is none. */
export async function findOrMake(options: FindOptions): Promise<Found> {
  const { folder, given, say, signal } = options;
  const first = await findBinary(folder, given);
  if ('path' in first || given !== '') return first;
  const lock = await lockCache(say, signal);
  if (lock === undefined) return { why: 'stopped' };
  try {
    const again = await findBinary(folder);
    if ('path' in again) return again;
    const whys = [again.why];
    const ways: readonly (readonly [(how: MakeOptions) => Promise<Made>, string])[] = [
      [download, 'downloaded'],
      [build, 'built'],
    ];
    for (const [make, from] of ways) {
      if (signal.aborted) return { why: 'stopped' };
      const made = await make(options);
      const judged = 'path' in made ? await judge(made.path, from, await madeBy(folder)) : made;
      if ('path' in judged) return judged;
      // Of the last one the caller speaks.
      if (!signal.aborted && make !== build) say(`no Temporal server yet: ${judged.why}`);
      whys.push(judged.why);
    }
    return { why: whys.join('; ') };
  } finally {
    await lock.release();
  }
}
