/** A stack of the bench's own, and databases on it that are asleep for certain. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createFleetClient, type FleetClient } from '../dev/fleet-client.ts';
import { startTemporaryStack, type TemporaryOptions } from '../dev/temporary.ts';
import type { Stack } from '../dev/stack.ts';
import { peekRunRecord } from '../host/run-record.ts';
import { volumePaths } from '../host/volume.ts';
import { AppError } from '../model/errors.ts';
import { parseIdentity } from '../model/identity-parse.ts';

const SLEEP_MS_MAX = 30_000;
const LOOK_MS = 5;
/** Long enough that nothing is suspended but by the bench. */
const IDLE_MS = 3_600_000;

export interface BenchDatabase {
  readonly id: string;
  readonly connection_string: string;
  readonly directory: string;
}

export interface BenchFleet {
  readonly stack: Stack;
  readonly client: FleetClient;
  /** Makes one; it runs afterwards. */
  readonly create: (size?: string) => Promise<BenchDatabase>;
  /**
   * Suspends it and returns when the api says suspended and the volume says released.
   * @returns the epoch that has ended.
   */
  readonly sleep: (database: BenchDatabase) => Promise<number>;
  readonly epochOf: (database: BenchDatabase) => Promise<number>;
}

async function waitReleased(runFile: string): Promise<void> {
  const deadline = Date.now() + SLEEP_MS_MAX;
  while ((await peekRunRecord(runFile))?.released !== true) {
    if (Date.now() > deadline)
      throw new AppError('unavailable', { detail: `${runFile} does not say released` });
    await delay(LOOK_MS);
  }
}

/** @param document an identity document on the volume. @returns the id of its data's directory. */
export async function directoryOf(document: string): Promise<string> {
  const identity = parseIdentity(JSON.parse(await readFile(document, 'utf8')));
  if ('wrong' in identity) throw new Error(`BUG: ${document}: ${identity.wrong}`);
  return identity.directory;
}

/**
 * Starts a stack, lends it to `work` and removes it, whatever happens.
 * No refill: what is measured shall not compete with the building of warm slots.
 */
export async function withBenchFleet<T>(
  options: Omit<TemporaryOptions, 'warm'>,
  work: (fleet: BenchFleet) => Promise<T>,
): Promise<T> {
  const stack = await startTemporaryStack({ ...options, warm: 0 });
  const { api, volume } = stack.endpoints;
  const paths = volumePaths(volume);
  const client = createFleetClient(api.url, api.tokens['operator'] ?? '');
  try {
    return await work({
      stack,
      client,
      async create(size = 'small') {
        const made = await client.create({ tenant: 'bench', size, idle_ms: IDLE_MS });
        const directory = await directoryOf(paths.database(made.id).document);
        return { id: made.id, connection_string: made.connection_string, directory };
      },
      async sleep({ id, directory }) {
        const { epoch } = await client.waitFor(id, (d) => d.state === 'running', SLEEP_MS_MAX);
        await client.suspend(id, epoch);
        await client.waitFor(id, (d) => d.state === 'suspended', SLEEP_MS_MAX);
        await waitReleased(paths.directory(directory).run);
        return epoch;
      },
      epochOf: async ({ id }) => (await client.get(id)).epoch,
    });
  } finally {
    client.close();
    await stack.stop();
  }
}
