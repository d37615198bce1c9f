/** A line of those who wait for something: only its first looks for it, the others wait their turn. */
import { setTimeout as pause } from 'node:timers/promises';

export interface LineOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Between two looks of the first. */
  readonly lookMs: number;
  /** Nobody waits longer, and who would is refused at once. */
  readonly waitMsMax: number;
  readonly lengthMax: number;
  /** @param estimateMs how long the line probably takes. */
  readonly refusal: (estimateMs: number) => Error;
}

export interface Line {
  /** @returns what was found. @throws the refusal. */
  readonly wait: <T>(look: () => Promise<T>, isNone: (found: T) => boolean) => Promise<T>;
  readonly length: () => number;
}

/** Weight of the newest wait at the head of the line in the estimate. */
const WEIGHT = 0.2;

export function createLine({ now, lookMs, waitMsMax, lengthMax, refusal }: LineOptions): Line {
  let length = 0;
  let last: Promise<unknown> = Promise.resolve();
  let turnMs = lookMs;

  async function lookUntil<T>(
    end: number,
    look: () => Promise<T>,
    isNone: (found: T) => boolean,
  ): Promise<T> {
    const began = now();
    try {
      for (;;) {
        const found = await look();
        if (!isNone(found)) return found;
        if (now() > end) throw refusal(turnMs * length);
        await pause(lookMs);
      }
    } finally {
      turnMs += WEIGHT * (now() - began - turnMs);
    }
  }

  return {
    length: () => length,
    async wait(look, isNone) {
      const tooLong = length > 0 && turnMs * length > waitMsMax;
      if (tooLong || length >= lengthMax) throw refusal(turnMs * length);
      length += 1;
      const end = now() + waitMsMax;
      const mine = last.then(() => lookUntil(end, look, isNone));
      last = mine.catch(() => undefined);
      return mine.finally(() => (length -= 1));
    },
  };
}
