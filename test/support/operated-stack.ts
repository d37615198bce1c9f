/** A stack for the tests of one file, and an operator who calls its api. */
import { afterAll, beforeAll } from '@jest/globals';
import { childrenOf } from '../../dev/process-table.ts';
import type { Stack } from '../../dev/stack.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { CallOptions, JsonClient } from '../../lib/json-client.ts';

const CALL_MS = 30_000;

export interface Operated {
  readonly stack: () => Stack;
  /** By `/v1/databases` and this. */
  readonly call: <T>(path: string, options?: Partial<CallOptions>) => Promise<T>;
  /** Hot Postgres answers nobody meanwhile, and goes on afterwards. */
  readonly whileHotIsFrozen: (work: () => Promise<void>) => Promise<void>;
}

/** @param settings that a file needs: hosts, warm slots, PILOTLIGHT_SLOTS. */
export function operatedStack(settings: {
  readonly hosts: number;
  readonly warm: number;
  readonly slots: string;
}): Operated {
  let stack: Stack;
  let operator: JsonClient;
  beforeAll(async () => {
    const { hosts, warm, slots } = settings;
    const say = (): void => undefined;
    stack = await startTemporaryStack({
      ...{ say, hosts, warm },
      settings: { PILOTLIGHT_SLOTS: slots },
    });
    operator = createJsonClient(stack.endpoints.api.tokens['operator'] ?? '');
  }, 60_000);
  afterAll(async () => {
    operator.close();
    await stack.stop();
  });
  return {
    stack: () => stack,
    call: (path, options = {}) =>
      operator.call(`${stack.endpoints.api.url}/v1/databases${path}`, {
        timeoutMs: CALL_MS,
        ...options,
      }),
    async whileHotIsFrozen(work) {
      const hot = stack.endpoints.processes['hot'] ?? 0;
      const frozen = [hot, ...childrenOf(hot).map(({ pid }) => pid)];
      for (const pid of frozen) process.kill(pid, 'SIGSTOP');
      try {
        await work();
      } finally {
        for (const pid of frozen) process.kill(pid, 'SIGCONT');
      }
    },
  };
}
