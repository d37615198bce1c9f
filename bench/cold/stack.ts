/** A stack of a bench's own with its whole cold plane, and what the benches ask of it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, postgresErrorOf } from '../../db/client.ts';
import { createFleetClient, type FleetClient } from '../../dev/fleet-client.ts';
import type { ManagementReady } from '../../dev/management.ts';
import type { Stack } from '../../dev/stack.ts';
import { startTemporaryStack, type TemporaryOptions } from '../../dev/temporary.ts';
import { volumePaths } from '../../host/volume.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { JsonClient } from '../../lib/json-client.ts';
import { ERRORS, codeOf } from '../../model/errors.ts';
import { directoryOf } from '../fleet.ts';
import { createCli, type TemporalCli } from './cli.ts';

const CALL_MS = 30_000;
const SLEEP_MS_MAX = 60_000;
const PATIENCE_MS = 120_000;

export interface ColdDatabase {
  readonly id: string;
  readonly connection_string: string;
  readonly directory: string;
}

export interface ColdStack {
  readonly stack: Stack;
  readonly management: ManagementReady;
  readonly fleet: FleetClient;
  /** The api, with the operator's token. */
  readonly api: JsonClient;
  readonly cli: TemporalCli;
  /** Rows of cold Postgres, as its superuser. */
  readonly cold: (sql: string, params?: readonly unknown[]) => Promise<readonly unknown[][]>;
  /** Makes one; it runs afterwards. */
  readonly create: (tenant: string) => Promise<ColdDatabase>;
  readonly sleep: (id: string) => Promise<void>;
  /** The connection string with the new password of a rotation: it is opened by that, once. */
  readonly openPassword: (rotation: string, database: ColdDatabase) => Promise<string>;
}

/** @throws ConfigError naming `what` after `ms`. */
export async function until(
  what: string,
  ms: number,
  holds: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new ConfigError(`not within ${ms / 1000} s: ${what}`);
    await delay(200);
  }
}

async function rowsOf(
  url: string,
  sql: string,
  params: readonly unknown[] = [],
): Promise<readonly unknown[][]> {
  const client = await connect(url, { onError: () => undefined });
  try {
    return (await client.query(sql, params)).rows;
  } finally {
    await client.end();
  }
}

/** Asks again for two minutes at most, while `mayHelp` says so of what it throws. */
export async function patiently<T>(
  work: () => Promise<T>,
  mayHelp: (error: unknown) => boolean = () => true,
): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!mayHelp(error) || Date.now() > deadline) throw error;
      await delay(200);
    }
  }
}

/** The fleet says that asking again may help. */
const isRetryable = (error: unknown): boolean => ERRORS[codeOf(error)].retryable;

/** Tries a login. @returns its first value, or `refused` for a password that is not taken. */
export async function login(url: string, sql = 'select 1'): Promise<unknown> {
  try {
    return (await rowsOf(url, sql))[0]?.[0];
  } catch (error) {
    if (postgresErrorOf(error)?.code === '28P01') return 'refused';
    return error instanceof Error ? error : new Error(String(error));
  }
}

export async function withFolder<T>(
  files: Readonly<Record<string, string>>,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotlight-sql-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Opened {
  readonly password: string;
}

function coldStackOf(stack: Stack, management: ManagementReady): ColdStack & { close: () => void } {
  const { endpoints } = stack;
  const operator = endpoints.api.tokens['operator'] ?? '';
  const fleet = createFleetClient(endpoints.api.url, operator);
  const api = createJsonClient(operator);
  const passwords = createJsonClient(management.console.tokens['passwords'] ?? '');
  const paths = volumePaths(endpoints.volume);
  if (management.program === null) throw new ConfigError('the bench needs a server of its own');
  return {
    stack,
    management,
    fleet,
    api,
    cli: createCli(management.program, management.address),
    cold: (sql, params) => rowsOf(endpoints.cold_url, sql, params),
    async create(tenant) {
      const made = await fleet.create({ tenant, idle_ms: 3_600_000 });
      const directory = await directoryOf(paths.database(made.id).document);
      return { id: made.id, connection_string: made.connection_string, directory };
    },
    async sleep(id) {
      await patiently(async () => {
        const { state, epoch } = await fleet.get(id);
        if (state === 'running') await fleet.suspend(id, epoch);
      }, isRetryable);
      await fleet.waitFor(id, ({ state }) => state === 'suspended', SLEEP_MS_MAX);
    },
    async openPassword(rotation, { id, connection_string }) {
      const path = `/v1/passwords/${rotation}/${id}/open`;
      const { password } = await passwords.call<Opened>(`${management.console.url}${path}`, {
        method: 'POST',
        body: {},
        timeoutMs: CALL_MS,
      });
      const url = new URL(connection_string);
      url.password = password;
      return url.href;
    },
    close() {
      fleet.close();
      api.close();
      passwords.close();
    },
  };
}

/**
 * Starts a stack with Temporal and its workers, lends it to `work` and removes it.
 * @throws ConfigError where no Temporal server is to be had.
 */
export async function withColdStack<T>(
  options: TemporaryOptions,
  work: (cold: ColdStack) => Promise<T>,
): Promise<T> {
  const stack = await startTemporaryStack({ ...options, management: 'auto' });
  try {
    const management = await stack.management;
    if (management === undefined) throw new ConfigError('there is no management to look at');
    const cold = coldStackOf(stack, management);
    try {
      return await work(cold);
    } finally {
      cold.close();
    }
  } finally {
    await stack.stop();
  }
}
