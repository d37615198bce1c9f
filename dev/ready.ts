/** Waiting for a process' /readyz, and what to say if it never comes. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../lib/config-error.ts';
import type { JsonClient } from '../lib/json-client.ts';

const LOOK_MS = 20;
const CALL_MS = 1_000;
const READY_MS_MAX = 30_000;

async function isReady(client: JsonClient, url: string): Promise<boolean> {
  try {
    await client.call(`${url}/readyz`, { timeoutMs: CALL_MS });
    return true;
  } catch {
    return false;
  }
}

async function lastLineOf(logFile: string): Promise<string> {
  const lines = (await readFile(logFile, 'utf8').catch(() => '')).trim().split('\n');
  return lines.at(-1) ?? '';
}

export interface Waiting {
  readonly name: string;
  /** Base address of its HTTP side. */
  readonly url: string;
  readonly logFile: string;
  /** Ends the wait early, when the whole start has failed elsewhere. */
  readonly signal: AbortSignal;
}

/** @throws ConfigError with the last line of its log after 30 s. */
export async function waitReady(client: JsonClient, waiting: Waiting): Promise<void> {
  const deadline = Date.now() + READY_MS_MAX;
  while (!(await isReady(client, waiting.url))) {
    if (waiting.signal.aborted) return;
    if (Date.now() > deadline) {
      const last = await lastLineOf(waiting.logFile);
      throw new ConfigError(
        `${waiting.name} is not ready after ${READY_MS_MAX / 1000} s; the last line of ${waiting.logFile}: ${last}`,
      );
    }
    await delay(LOOK_MS);
  }
}
