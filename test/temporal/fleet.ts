/** A whole stack with management, and its databases, for tests of operations over the fleet. */
import type { Client, WorkflowHandle } from '@temporalio/client';
import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect, type Client as SqlClient } from '../../db/client.ts';
import { createFleetClient, type FleetClient } from '../../dev/fleet-client.ts';
import type { Stack } from '../../dev/stack.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { queueOf, type WorkflowType } from '../../model/cold/names.ts';
import type { Progress } from '../../model/cold/operator.ts';
import type { CreateAnswer } from '../../model/wire.ts';
import { openClient } from '../../workers/connect.ts';
import { TEMPORAL } from './binary.ts';
import { until } from './server.ts';

export const ME = { actor: 'a test' };

export interface TestFleet {
  readonly stack: Stack;
  readonly temporal: Client;
  readonly fleet: FleetClient;
  /** The console's: PEM. */
  readonly sealingKey: string;
  /** Creates databases and waits until the cold plane knows of them; the first few stay awake. */
  readonly create: (count: number, awake: number) => Promise<CreateAnswer[]>;
  readonly suspend: (id: string) => Promise<void>;
  readonly state: (id: string) => Promise<{ state: string; epoch: number }>;
  /** Rows of cold Postgres, as objects. */
  readonly cold: (text: string, values?: readonly unknown[]) => Promise<Record<string, unknown>[]>;
  readonly start: (type: WorkflowType, id: string, input: unknown) => Promise<WorkflowHandle>;
  /** The history of a run as JSON and, decoded, all that is in its payloads. */
  readonly history: (id: string) => Promise<{ readonly json: string; readonly payloads: string }>;
  /** Whether a text is in any file of the Temporal server. */
  readonly isInServer: (text: string) => Promise<boolean>;
  readonly stop: () => Promise<void>;
}

/** One statement by the proxy, which wakes the database. */
export async function ask(connectionString: string, text: string): Promise<unknown[][]> {
  const client = await connect(connectionString);
  try {
    return (await client.query(text)).rows.map((row) => [...row]);
  } finally {
    await client.end();
  }
}

export const progressOf = (run: WorkflowHandle): Promise<Progress> =>
  run.query<Progress>('progress');

/** What each payload of a history holds. */
function payloadsOf(json: string): string {
  const found: string[] = [];
  JSON.parse(json, (key: string, value: unknown): unknown => {
    if (key === 'data' && typeof value === 'string')
      found.push(Buffer.from(value, 'base64').toString('utf8'));
    return value;
  });
  return found.join('\n');
}

async function rowsOf(
  client: SqlClient,
  text: string,
  values: readonly unknown[],
): Promise<Record<string, unknown>[]> {
  const { fields, rows } = await client.query(text, values);
  return rows.map((row) => Object.fromEntries(fields.map((field, i) => [field, row[i]])));
}

async function isInFolder(folder: string, text: string): Promise<boolean> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((one) => one.isFile())) {
    const bytes = await readFile(join(entry.parentPath ?? entry.path, entry.name));
    if (bytes.includes(text)) return true;
  }
  return false;
}

export async function startTestFleet(): Promise<TestFleet> {
  const stack = await startTemporaryStack({
    say: () => undefined,
    warm: 0,
    management: 'auto',
  });
  const management = await stack.management;
  if (management === undefined) throw new Error('no management');
  const temporal = openClient(management.address);
  const fleet = createFleetClient(
    stack.endpoints.api.url,
    stack.endpoints.api.tokens['operator'] ?? '',
  );
  const sql = await connect(stack.endpoints.cold_url);
  const cold = (text: string, values: readonly unknown[] = []) => rowsOf(sql, text, values);

  async function suspend(id: string): Promise<void> {
    const { epoch } = await fleet.get(id);
    await fleet.suspend(id, epoch);
    await fleet.waitFor(id, ({ state }) => state === 'suspended', 20_000);
  }

  return {
    stack,
    temporal,
    fleet,
    sealingKey: await readFile(join(stack.endpoints.home, 'sealing-key.pem'), 'utf8'),
    cold,
    suspend,
    async create(count, awake) {
      const made: CreateAnswer[] = [];
      for (let i = 0; i < count; i++) made.push(await fleet.create({ tenant: 'acme' }));
      await Promise.all(made.slice(awake).map(({ id }) => suspend(id)));
      const ids = made.map(({ id }) => id);
      const known = `select id from database where state = 'live' and id = any ($1)`;
      await until(async () => (await cold(known, [ids])).length === count, 20_000);
      return made;
    },
    async state(id) {
      const { state, epoch } = await fleet.get(id);
      return { state, epoch };
    },
    start: (type, workflowId, input) =>
      temporal.workflow.start(type, { workflowId, taskQueue: queueOf(type), args: [input] }),
    async history(id) {
      const { stdout: json } = await promisify(execFile)(
        TEMPORAL,
        ['workflow', 'show', '-w', id, '-o', 'json'],
        {
          env: childEnvironment({
            TEMPORAL_ADDRESS: management.address,
            TEMPORAL_NAMESPACE: 'fleet',
          }),
          maxBuffer: 64 * 1024 * 1024,
        },
      );
      return { json, payloads: payloadsOf(json) };
    },
    isInServer: (text) => isInFolder(join(stack.endpoints.home, 'temporal'), text),
    async stop() {
      fleet.close();
      await sql.end();
      await temporal.connection.close();
      await stack.stop();
    },
  };
}
