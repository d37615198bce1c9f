/** Takes a page of the volumes' documents into an index that may lack any of it: migration 0018. */
import type { Identity } from '../../model/identity.ts';
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';

export interface RebuildItem {
  readonly doc: Identity;
  /** What the tenant's limits differ from the defaults by, as of the document. */
  readonly limits: Readonly<Record<string, number>>;
  /** That ran it last, or speaks of it. */
  readonly host: string;
  /** Minted last; 0: none. */
  readonly epoch: number;
  /** Nothing of that run is left. */
  readonly released: boolean;
  readonly purged: boolean;
}

const behind = callOf('rebuild_behind', 1);

/** @returns databases of which the index knows less than the volume, if only for this moment. */
export async function rebuildBehind(hot: Hot, page: readonly RebuildItem[]): Promise<string[]> {
  const values = [JSON.stringify(page)];
  const rows = await hot.durable<{ rebuild_behind: string }>(behind, values);
  return rows.map((row) => row.rebuild_behind);
}

/** Rows that were made, took a newer document, went to a later epoch. */
export interface RebuildCounts {
  readonly made: number;
  readonly newer: number;
  readonly raised: number;
}

const take = callOf('rebuild_page', 1);

/** Takes what the index does not know yet. Asked again it changes nothing. */
export async function rebuildPage(hot: Hot, page: readonly RebuildItem[]): Promise<RebuildCounts> {
  const [counts] = await hot.durable<RebuildCounts>(take, [JSON.stringify(page)]);
  if (counts === undefined) throw new Error('BUG: a page without counts');
  return counts;
}

const strangers = callOf('rebuild_strangers', 3);

/**
 * @param upto the last id of the range; null: to the end.
 * @param known ids of that range that have a document.
 * @returns rows without one, which may be of creates under way, and whether they have a directory.
 */
export function rebuildStrangers(
  hot: Hot,
  after: string,
  upto: string | null,
  known: readonly string[],
): Promise<{ readonly id: string; readonly made: boolean }[]> {
  return hot.durable(strangers, [after, upto, known]);
}
