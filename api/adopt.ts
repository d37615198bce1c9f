/**
 * Databases that the index does not know: made while it was away, or before it was made anew. Their
 * rows are made of their identity documents as soon as a host speaks of them. The same for changes of
 * a document that the index has missed.
 */
import { codeOf } from '../model/errors.ts';
import { databaseAdopt, databaseMissing } from '../db/hot/database-adopt.ts';
import { databaseIdentity } from '../db/hot/database-identity.ts';
import type { Parts } from './context.ts';

/** Ids remembered as known, about 100 bytes each. */
const KNOWN_MAX = 200_000;

/** Takes the document of the volume into the index, by any host. @throws what the agent or the index says. */
export async function hearDocument(
  { agents, hot }: Parts,
  host: string,
  database: string,
  requestId: string,
): Promise<void> {
  const identity = await agents.identity(host, database, requestId);
  await databaseAdopt(hot, identity, host);
  await databaseIdentity(hot, identity);
}

export type Adopter = ReturnType<typeof createAdopter>;

export function createAdopter(parts: Parts, generation: () => Promise<string>) {
  const known = new Set<string>();
  const owed = new Set<string>();
  let of = '';

  /** @returns false if that came to nothing: then it is owed. */
  async function take(host: string, database: string, requestId: string): Promise<boolean> {
    try {
      await hearDocument(parts, host, database, requestId);
      parts.log.info({ database, host, request_id: requestId }, 'the index has its document now');
      return true;
    } catch (error) {
      parts.log.warn({ database, host, code: codeOf(error) }, 'the index lacks a document yet');
      return false;
    }
  }

  return {
    /** Makes sure that the index knows these databases, of which `host` speaks. */
    async adopt(host: string, databases: readonly string[], requestId: string): Promise<void> {
      const current = await generation();
      if (current !== of || known.size > KNOWN_MAX) known.clear();
      of = current;
      const unsure = databases.filter((id) => !known.has(id));
      if (unsure.length === 0) return;
      const missing = new Set(await databaseMissing(parts.hot, unsure));
      for (const id of unsure)
        (!missing.has(id) || (await take(host, id, requestId)) ? known : owed).add(id);
    },
    /** A host has changed it, by what SQL says. */
    async hear(host: string, database: string, requestId: string): Promise<void> {
      if (!(await take(host, database, requestId))) owed.add(database);
    },
    /** A document has been made or changed, and the index could not be told. */
    owe: (database: string) => owed.add(database),
    isOwed: (database: string): boolean => owed.has(database),
    async pay(): Promise<void> {
      const [host] = parts.fleet.liveHosts(parts.now());
      for (const id of host === undefined ? [] : owed)
        if (await take(host ?? '', id, 'owed')) owed.delete(id);
    },
  };
}
