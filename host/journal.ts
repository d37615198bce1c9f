/**
 * The host's journal: what happened to its processes, as fsynced lines of JSON in segments on the
 * volume. (host, boot, seq) names an event for good. Appending never waits; what is appended in one
 * turn of the event loop is flushed together, beside the work that caused it.
 */
import { constants } from 'node:fs';
import { mkdir, open, readFile, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { syncFolder } from '../lib/files.ts';
import type { Logger } from '../lib/log.ts';
import type { AgentEvent } from '../model/wire.ts';

/** What a caller says; host, boot, seq and time are the journal's. */
export type NewEvent = Omit<AgentEvent, 'host' | 'boot' | 'seq' | 'at'>;

/** How far someone has read: the name of the last event. */
export interface Position {
  readonly boot: number;
  readonly seq: number;
}

export interface Journal {
  readonly append: (event: NewEvent) => void;
  /** Resolves when everything appended so far is durable. */
  readonly flushed: () => Promise<void>;
  readonly onAppend: (listener: () => void) => void;
  /** Events after a position, oldest first, durable ones only; at most `max`. */
  readonly after: (position: Position, max: number) => Promise<AgentEvent[]>;
  readonly close: () => Promise<void>;
}

export interface JournalOptions {
  readonly folder: string;
  readonly host: string;
  readonly boot: number;
  readonly log: Logger;
}

/** Events in one segment, about 250 KB. */
const SEGMENT_EVENTS_MAX = 1_000;
const RETRY_MS = 1_000;

export const isAfter = (a: Position, b: Position): boolean =>
  a.boot > b.boot || (a.boot === b.boot && a.seq > b.seq);

const digits = (n: number, length: number): string => String(n).padStart(length, '0');

/** Names sort as their events do. */
export const segmentName = (first: Position): string =>
  `${digits(first.boot, 8)}-${digits(first.seq, 12)}.jsonl`;

/** The first event that a segment may hold; undefined for other files. */
export function firstOf(name: string): Position | undefined {
  const match = /^(\d{8})-(\d{12})\.jsonl$/.exec(name);
  return match === null ? undefined : { boot: Number(match[1]), seq: Number(match[2]) };
}

/** Names of the journal's segments, oldest first. */
export async function listSegments(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => firstOf(name) !== undefined).sort();
}

/** Reads a segment; a last line that a crash tore is dropped: it was never acknowledged. */
export function parseSegment(text: string): AgentEvent[] {
  const events: AgentEvent[] = [];
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  for (const line of whole.split('\n')) {
    if (line === '') continue;
    try {
      events.push(JSON.parse(line) as AgentEvent);
    } catch {
      // A page that a crash left out of the middle of the last write; nothing after it is durable.
      return events;
    }
  }
  return events;
}

/** Opens the journal for the events of this boot. */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { folder, host, boot, log } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const listeners: (() => void)[] = [];
  let seq = 0;
  let waiting: AgentEvent[] = [];
  let durable: Position = { boot, seq: 0 };
  let writing: Promise<void> | undefined;
  let segment: { file: FileHandle; events: number } | undefined;

  async function segmentFor(first: AgentEvent): Promise<{ file: FileHandle; events: number }> {
    if (segment !== undefined && segment.events < SEGMENT_EVENTS_MAX) return segment;
    await segment?.file.close();
    segment = undefined;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND;
    const file = await open(join(folder, segmentName(first)), flags, 0o600);
    await syncFolder(folder);
    return (segment = { file, events: 0 });
  }

  async function writeBatch(batch: readonly AgentEvent[]): Promise<void> {
    const [first] = batch;
    const last = batch.at(-1);
    if (first === undefined || last === undefined) return;
    const target = await segmentFor(first);
    const lines = batch.map((event) => `${JSON.stringify(event)}\n`).join('');
    const { size } = await target.file.stat();
    try {
      await target.file.write(lines);
      await target.file.datasync();
    } catch (error) {
      // What is in the file by now is unknown: cut it, so that the next try does not follow a part.
      await target.file.truncate(size).catch(() => undefined);
      throw error;
    }
    target.events += batch.length;
    durable = { boot, seq: last.seq };
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await writeBatch(batch);
      } catch (error) {
        log.error({ err: error, events: batch.length }, 'the journal could not be written');
        waiting = [...batch, ...waiting];
        await sleep(RETRY_MS);
      }
    }
    writing = undefined;
  }

  async function after(position: Position, max: number): Promise<AgentEvent[]> {
    const names = await listSegments(folder);
    const found: AgentEvent[] = [];
    for (const [i, name] of names.entries()) {
      const next = names[i + 1] === undefined ? undefined : firstOf(names[i + 1] ?? '');
      // Everything in a segment comes before the first event of the next one of the same boot.
      if (next !== undefined && !isAfter(next, { ...position, seq: position.seq + 1 })) continue;
      for (const event of parseSegment(await readFile(join(folder, name), 'utf8'))) {
        const shippable = isAfter(event, position) && !isAfter(event, durable);
        if (shippable) found.push(event);
        if (found.length === max) return found;
      }
    }
    return found;
  }

  return {
    append(event) {
      seq += 1;
      waiting.push({ ...event, host, boot, seq, at: new Date().toISOString() });
      writing ??= nextTurn().then(drain);
      for (const listener of listeners) listener();
    },
    flushed: async () => writing,
    onAppend: (listener) => void listeners.push(listener),
    after,
    async close() {
      await writing;
      await segment?.file.close();
      segment = undefined;
    },
  };
}
