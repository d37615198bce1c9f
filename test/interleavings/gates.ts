/** Where everything waits that a network or a disk may hold up, until the test lets it go on. */
import { setImmediate as nextTurn } from 'node:timers/promises';

export interface Gates {
  /** Resolves when the gate is opened; at once when all are open. */
  readonly wait: (label: string) => Promise<void>;
  /** Opens one of those that wait, counted round. @returns its label. */
  readonly open: (n: number) => string | undefined;
  readonly close: () => void;
  /** From now on nobody waits. */
  readonly openAll: () => void;
  readonly waiting: () => readonly string[];
}

export function createGates(): Gates {
  const waiting: { label: string; open: () => void }[] = [];
  let opened = true;
  return {
    wait(label) {
      if (opened) return Promise.resolve();
      return new Promise((resolve) => void waiting.push({ label, open: resolve }));
    },
    open(n) {
      const [gate] = waiting.splice(n % Math.max(waiting.length, 1), 1);
      gate?.open();
      return gate?.label;
    },
    close: () => void (opened = false),
    openAll() {
      opened = true;
      for (const { open } of waiting.splice(0)) open();
    },
    waiting: () => waiting.map(({ label }) => label),
  };
}

/** Counts what is under way that nobody can hold up: statements of the index. */
export function createActivity() {
  let count = 0;
  return {
    async during<T>(work: () => Promise<T>): Promise<T> {
      count += 1;
      try {
        return await work();
      } finally {
        count -= 1;
      }
    },
    /** Until nothing has been under way for some turns: what is left waits at a gate, or for a time. */
    async settled(): Promise<void> {
      for (let quiet = 0; quiet < 5; quiet = count === 0 ? quiet + 1 : 0) await nextTurn();
    },
  };
}
export type Activity = ReturnType<typeof createActivity>;
