/** Who is killed when, from a seed. Pure. */

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

/** mulberry32 of Tommy Ettinger (public domain): 32 bits of state, the same on every machine. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** In an order of chance. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items];
  const out: T[] = [];
  while (left.length > 0) out.push(...left.splice(Math.floor(random() * left.length), 1));
  return out;
}

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
