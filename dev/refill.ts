/**
 * The built-in refill of warm slots: keeps a few per host, one at a time, as long as the runner
 * lives. It knows the agents only; the api learns of warm slots by their syncs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonClient } from '../lib/json-client.ts';
import { codeOf } from '../model/errors.ts';
import { AGENT_CALL_MS_MAX, POSTGRES_READY_MS_MAX } from '../model/limits.ts';
import type { SizeName } from '../model/sizes.ts';
import type { HostReport } from '../model/wire.ts';

const SIZE: SizeName = 'small';
const LOOK_MS = 2_000;

export interface RefillOptions {
  readonly client: JsonClient;
  readonly hosts: readonly string[];
  /** Warm slots per host. */
  readonly target: number;
  readonly say: (line: string) => void;
}

const isStock = (slot: HostReport['slots'][number]): boolean =>
  slot.size === SIZE && (slot.state === 'warm' || slot.state === 'building');

export function startRefill(options: RefillOptions): { readonly stop: () => void } {
  const { client, target } = options;
  const aborter = new AbortController();
  let saidAt: string | undefined;

  async function refillHost(url: string): Promise<void> {
    const state = await client.call<HostReport>(`${url}/v1/state`, {
      timeoutMs: AGENT_CALL_MS_MAX,
      signal: aborter.signal,
    });
    const missing = target - state.slots.filter(isStock).length;
    for (let i = 0; i < missing && !aborter.signal.aborted; i++)
      await client.call(`${url}/v1/warm`, {
        body: { size: SIZE },
        timeoutMs: POSTGRES_READY_MS_MAX,
        signal: aborter.signal,
      });
  }

  /** A host without room or without an agent is looked at again; another reason is said once. */
  async function round(): Promise<void> {
    for (const url of options.hosts) {
      try {
        await refillHost(url);
      } catch (error) {
        const code = codeOf(error);
        if (aborter.signal.aborted || code === 'unavailable' || code === 'no_capacity') continue;
        if (code !== saidAt) options.say(`no warm slot could be made on ${url}: ${code}`);
        saidAt = code;
      }
    }
  }

  async function run(): Promise<void> {
    while (!aborter.signal.aborted) {
      await round();
      await sleep(LOOK_MS, undefined, { signal: aborter.signal }).catch(() => undefined);
    }
  }

  void run();
  return { stop: () => aborter.abort() };
}
