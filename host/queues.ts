/** Queues by name: what is put into one runs one after the other, different names run side by side. */
export interface Queues {
  readonly run: <T>(name: string, work: () => Promise<T>) => Promise<T>;
  /** Resolves when all that has been put in so far has ended. */
  readonly drained: () => Promise<void>;
}

export function createQueues(): Queues {
  const tails = new Map<string, Promise<unknown>>();
  return {
    run<T>(name: string, work: () => Promise<T>): Promise<T> {
      const before = tails.get(name);
      const result = before === undefined ? work() : before.then(work, work);
      const tail = result.catch(() => undefined);
      tails.set(name, tail);
      void tail.then(() => {
        if (tails.get(name) === tail) tails.delete(name);
      });
      return result;
    },
    async drained() {
      await Promise.all(tails.values());
    },
  };
}
