/** The database that a first start leaves asleep, so that there is something to wake. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { replaceFile } from '../lib/files.ts';
import type { JsonClient } from '../lib/json-client.ts';
import { AppError, ERRORS, codeOf } from '../model/errors.ts';
import type { CreateAnswer, DatabaseAnswer, SuspendAnswer } from '../model/wire.ts';

const IDLE_MS = 10_000;
const CALL_MS = 30_000;
/** The first create waits for the hosts' first syncs. */
const CREATE_MS_MAX = 30_000;
const PAUSE_MS = 100;

export interface DemoOptions {
  /** Of the api, with the operator's token. */
  readonly client: JsonClient;
  readonly apiUrl: string;
  /** Where the home remembers it. */
  readonly file: string;
  /** host:port of the proxy now; the ports may have moved since it was made. */
  readonly proxyAddress: string;
}

export interface DemoDatabase {
  readonly database: string;
  readonly connection_string: string;
}

interface Remembered {
  readonly database: string;
  readonly role: string;
  readonly password: string;
}

async function readRemembered(file: string): Promise<Remembered | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Remembered;
  } catch {
    return undefined;
  }
}

async function create(options: DemoOptions): Promise<Remembered> {
  const deadline = Date.now() + CREATE_MS_MAX;
  for (;;) {
    try {
      const made = await options.client.call<CreateAnswer>(`${options.apiUrl}/v1/databases`, {
        body: { tenant: 'demo', size: 'small', idle_ms: IDLE_MS, labels: { purpose: 'demo' } },
        timeoutMs: CALL_MS,
      });
      const remembered = { database: made.id, role: made.role, password: made.password };
      await replaceFile(options.file, `${JSON.stringify(remembered)}\n`, 0o600);
      await sleepNow(options, made.id, made.epoch);
      return remembered;
    } catch (error) {
      if (!ERRORS[codeOf(error)].retryable || Date.now() > deadline) throw error;
      await delay(PAUSE_MS);
    }
  }
}

/** @returns undefined if there is no such database any more. */
async function find(options: DemoOptions, id: string): Promise<DatabaseAnswer | undefined> {
  try {
    const url = `${options.apiUrl}/v1/databases/${id}`;
    const found = await options.client.call<DatabaseAnswer>(url, { timeoutMs: CALL_MS });
    return found.deleted_at === null ? found : undefined;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'database_not_found' || code === 'database_deleted') return undefined;
    throw error;
  }
}

async function sleepNow(options: DemoOptions, id: string, epoch: number): Promise<void> {
  try {
    await options.client.call<SuspendAnswer>(`${options.apiUrl}/v1/databases/${id}/suspend`, {
      body: { epoch },
      timeoutMs: CALL_MS,
    });
  } catch (error) {
    // Its own idle time does the same ten seconds later.
    if (!(error instanceof AppError)) throw error;
  }
}

/**
 * Finds the home's demo database, or makes one and puts it to sleep. What an earlier run left
 * awake, because it was killed, stays awake until it is idle.
 * @throws AppError if the api can not make one.
 */
export async function provideDemo(options: DemoOptions): Promise<DemoDatabase> {
  const known = await readRemembered(options.file);
  const lives = known !== undefined && (await find(options, known.database)) !== undefined;
  const demo = lives ? known : await create(options);
  return {
    database: demo.database,
    connection_string: `postgresql://${demo.role}:${demo.password}@${options.proxyAddress}/${demo.database}`,
  };
}
