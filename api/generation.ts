/** Which hot database this is, asked for every few seconds at most. */
import { generationFind } from '../db/hot/generation-find.ts';
import type { Hot } from '../db/hot/hot.ts';

const KEEP_MS = 5_000;

export function createGeneration(hot: Hot, now: () => number): () => Promise<string> {
  let known: { readonly id: string; readonly at: number } | undefined;
  return async () => {
    if (known === undefined || now() - known.at > KEEP_MS)
      known = { id: await generationFind(hot), at: now() };
    return known.id;
  };
}
