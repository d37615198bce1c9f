/**
 * Ships the journal to the hot database, through any api that answers, at least once and in order.
 * Another generation of the hot database (a rebuild, an old restore) gets everything again that is
 * still here: segments are kept for 48 h after their acknowledgement.
 */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing, replaceFile } from '../lib/files.ts';
import type { JsonClient } from '../lib/http-client.ts';
import type { Logger } from '../lib/log.ts';
import { AGENT_CALL_MS_MAX, EVENTS_PER_CALL_MAX, JOURNAL_KEEP_MS } from '../model/limits.ts';
import type { AgentEvent, EventsAnswer } from '../model/wire.ts';
import { firstOf, isAfter, listSegments, type Journal, type Position } from './journal.ts';

export interface ShipperOptions {
  readonly journal: Journal;
  readonly folder: string;
  readonly host: string;
  readonly apiUrls: readonly string[];
  readonly client: JsonClient;
  readonly log: Logger;
}

export interface Shipper {
  /** Told by every answer to a sync: which hot database the apis speak for. */
  readonly sawGeneration: (generation: string) => void;
  readonly stop: () => Promise<void>;
}

/** What is acknowledged, and by which generation of the hot database. */
interface Held extends Position {
  readonly generation: string;
}

/** After an append: more may follow at once. */
const COALESCE_MS = 200;
/** After a failure, or an answer that acknowledged nothing. */
const RETRY_MS = 2_000;
const NOTHING: Held = { boot: 0, seq: 0, generation: '' };

async function mtimeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Notes which segments are acknowledged whole by now, and removes those that have been for 48 h.
 * The last segment is being written; one is acknowledged when all before its successor's first is.
 */
export async function tidySegments(folder: string, held: Position, nowMs: number): Promise<void> {
  const names = await listSegments(folder);
  for (const [i, name] of names.entries()) {
    const mark = join(folder, `${name}.acked`);
    const next = firstOf(names[i + 1] ?? '');
    const acked = next !== undefined && !isAfter({ ...next, seq: next.seq - 1 }, held);
    const ackedAt = await mtimeOf(mark);
    if (!acked) await rm(mark, { force: true });
    else if (ackedAt === undefined) await writeFile(mark, '', { mode: 0o600 });
    else if (nowMs - ackedAt > JOURNAL_KEEP_MS) {
      await rm(join(folder, name), { force: true });
      await rm(mark, { force: true });
    }
  }
}

async function readHeld(path: string): Promise<Held> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Held;
  } catch {
    // Missing or damaged: shipping from the start does no harm.
    return NOTHING;
  }
}

/** Begins to ship; goes on where the last agent of this host was acknowledged. */
export async function startShipper(options: ShipperOptions): Promise<Shipper> {
  const { journal, host, client, log } = options;
  const noteFile = join(options.folder, 'acked.json');
  let held = await readHeld(noteFile);
  let stopped = false;
  let failing = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  async function post(events: readonly AgentEvent[]): Promise<EventsAnswer> {
    let failure: unknown;
    for (const url of options.apiUrls) {
      try {
        return await client.call<EventsAnswer>(`${url}/v1/hosts/${host}/events`, {
          body: { events },
          timeoutMs: AGENT_CALL_MS_MAX,
        });
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** @returns false if there is nothing left to ship. */
  async function shipBatch(): Promise<boolean> {
    await journal.flushed();
    const before = held;
    const events = await journal.after(before, EVENTS_PER_CALL_MAX);
    if (events.length === 0) return false;
    const { boot, seq, generation } = await post(events);
    // Of another hot database than the one that acknowledged what came before: all of it again.
    const moved = before.generation !== '' && before.generation !== generation;
    held = moved ? { ...NOTHING, generation } : { boot, seq, generation };
    await replaceFile(noteFile, JSON.stringify(held));
    await tidySegments(options.folder, held, Date.now());
    if (!moved && !isAfter(held, before)) throw new Error('nothing of a batch was acknowledged');
    return true;
  }

  async function ship(): Promise<void> {
    try {
      while (!stopped && (await shipBatch()));
      failing = false;
    } catch (error) {
      if (!failing) log.warn({ err: error }, 'events are not taken now: they are kept here');
      failing = true;
      schedule(RETRY_MS);
    }
  }

  function schedule(ms: number): void {
    if (stopped || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      running = (running ?? Promise.resolve()).then(ship);
    }, ms);
  }

  journal.onAppend(() => schedule(COALESCE_MS));
  schedule(0);
  return {
    sawGeneration(generation) {
      if (held.generation === '' || held.generation === generation) return;
      log.info({ generation }, 'another hot database: shipping the journal again');
      held = { ...NOTHING, generation };
      schedule(0);
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
