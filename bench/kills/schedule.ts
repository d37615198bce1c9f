/** Who is killed when, from a seed. Pure. */
import { createRandom, shuffled } from '../random.ts';

export const TARGETS = ['agent', 'api', 'proxy', 'postmaster', 'runner'] as const;
export type Target = (typeof TARGETS)[number];

export interface Kill {
  /** Milliseconds after the one before. */
  readonly afterMs: number;
  readonly target: Target;
  /** 0 to 1: chooses among several of a kind. */
  readonly which: number;
}

const AFTER_MS_MIN = 300;
const AFTER_MS_MAX = 3_000;

/** Every five kills hit each kind once, in an order of their own. */
export function planKills(times: number, seed: number): readonly Kill[] {
  const random = createRandom(seed);
  const kills: Kill[] = [];
  while (kills.length < times)
    for (const target of shuffled(TARGETS, random))
      kills.push({
        afterMs: AFTER_MS_MIN + random() * (AFTER_MS_MAX - AFTER_MS_MIN),
        target,
        which: random(),
      });
  return kills.slice(0, times);
}
