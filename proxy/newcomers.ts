/**
 * Bounds the connections of one source that have not proven a password yet. All of them share a bound
 * (HELD_MAX), and one that opens many and says nothing would otherwise take it from everybody.
 */
import { HELD_MAX } from '../model/limits.ts';
import { networkOf } from './attempts.ts';

const PER_SOURCE_MAX = HELD_MAX / 2;

export interface Newcomers {
  /** @returns what is to be called, once or more, when it has proven itself or is gone; undefined: too many. */
  readonly enter: (source: string) => (() => void) | undefined;
}

export function createNewcomers(perSourceMax: number = PER_SOURCE_MAX): Newcomers {
  const counts = new Map<string, number>();
  return {
    enter(source) {
      const network = networkOf(source);
      const here = counts.get(network) ?? 0;
      if (here >= perSourceMax) return undefined;
      counts.set(network, here + 1);
      let left = false;
      return () => {
        if (left) return;
        left = true;
        const rest = (counts.get(network) ?? 0) - 1;
        if (rest > 0) counts.set(network, rest);
        else counts.delete(network);
      };
    },
  };
}
