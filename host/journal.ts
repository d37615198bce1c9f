/**
 * The host's journal: what happened to its processes, as fsynced lines of JSON in segments on the
 * volume. (host, boot, seq) names an event for good. Appending never waits; what is appended in one
 * turn of the event loop is flushed together, beside the work that caused it.
 */
import { constants } from 'node:fs';
import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { replaceFile, syncFolder } from '../lib/files.ts';
import type { Logger } from '../lib/log.ts';
import type { AgentEvent } from '../model/wire.ts';
import {
  firstOf,
  isAfter,
  listSegments,
  parseSegment,
  segmentName,
  tidySegments,
  type Position,
} from './segments.ts';

/** What a caller says; host, boot, seq and time are the journal's. */
export type NewEvent = Omit<AgentEvent, 'host' | 'boot' | 'seq' | 'at'>;

/** What a hot database holds, and which one. */
export interface Acknowledged extends Position {
  readonly generation: string;
}

export interface Journal {
  readonly append: (event: NewEvent) => void;
  /** Resolves when everything appended so far is durable. */
  readonly flushed: () => Promise<void>;
  readonly onAppend: (listener: (event: NewEvent) => void) => void;
  /** Events after a position, oldest first, durable ones only; at most `max`. */
  readonly after: (position: Position, max: number) => Promise<AgentEvent[]>;
  /** Events of this boot that are not acknowledged yet. */
  readonly backlog: () => number;
  /** How far the last agent of this host was acknowledged. */
  readonly acknowledged: () => Promise<Acknowledged>;
  /** Notes it, durably; what was acknowledged 48 h ago may go. */
  readonly acknowledge: (held: Acknowledged) => Promise<void>;
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

interface Segment {
  readonly file: FileHandle;
  events: number;
}

interface Writer extends JournalOptions {
  readonly listeners: ((event: NewEvent) => void)[];
  /** Of the last event. */
  seq: number;
  /** Appended, but in no batch yet. */
  waiting: AgentEvent[];
  durable: Position;
  writing: Promise<void> | undefined;
  segment: Segment | undefined;
}

async function segmentFor(writer: Writer, first: AgentEvent): Promise<Segment> {
  const { folder, segment } = writer;
  if (segment !== undefined && segment.events < SEGMENT_EVENTS_MAX) return segment;
  await segment?.file.close();
  writer.segment = undefined;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND;
  const file = await open(join(folder, segmentName(first)), flags, 0o600);
  await syncFolder(folder);
  return (writer.segment = { file, events: 0 });
}

async function writeBatch(writer: Writer, batch: readonly AgentEvent[]): Promise<void> {
  const [first] = batch;
  const last = batch.at(-1);
  if (first === undefined || last === undefined) return;
  const target = await segmentFor(writer, first);
  const lines = batch.map((event) => `${JSON.stringify(event)}\n`).join('');
  const { size } = await target.file.stat();
  try {
    // All of it, or an error: a plain write takes what a full volume has room for, and says nothing.
    await target.file.appendFile(lines);
    await target.file.datasync();
  } catch (error) {
    // What is in the file by now is unknown: cut it, so that the next try does not follow a part.
    await target.file.truncate(size).catch(() => undefined);
    throw error;
  }
  target.events += batch.length;
  writer.durable = { boot: writer.boot, seq: last.seq };
}

async function drain(writer: Writer): Promise<void> {
  while (writer.waiting.length > 0) {
    const batch = writer.waiting;
    writer.waiting = [];
    try {
      await writeBatch(writer, batch);
    } catch (error) {
      writer.log.error({ err: error, events: batch.length }, 'the journal could not be written');
      writer.waiting = [...batch, ...writer.waiting];
      await sleep(RETRY_MS);
    }
  }
  writer.writing = undefined;
}

async function after(writer: Writer, position: Position, max: number): Promise<AgentEvent[]> {
  const { folder } = writer;
  const names = await listSegments(folder);
  const found: AgentEvent[] = [];
  for (const [i, name] of names.entries()) {
    const next = names[i + 1] === undefined ? undefined : firstOf(names[i + 1] ?? '');
    // Everything in a segment comes before the first event of the next one of the same boot.
    if (next !== undefined && !isAfter(next, { ...position, seq: position.seq + 1 })) continue;
    for (const event of parseSegment(await readFile(join(folder, name), 'utf8'))) {
      const shippable = isAfter(event, position) && !isAfter(event, writer.durable);
      if (shippable) found.push(event);
      if (found.length === max) return found;
    }
  }
  return found;
}

function append(writer: Writer, event: NewEvent): void {
  const { host, boot } = writer;
  writer.seq += 1;
  writer.waiting.push({ ...event, host, boot, seq: writer.seq, at: new Date().toISOString() });
  writer.writing ??= nextTurn().then(() => drain(writer));
  for (const listener of writer.listeners) listener(event);
}

async function close(writer: Writer): Promise<void> {
  await writer.writing;
  await writer.segment?.file.close();
  writer.segment = undefined;
}

const NOTHING: Acknowledged = { boot: 0, seq: 0, generation: '' };

async function readAcknowledged(path: string): Promise<Acknowledged> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Acknowledged;
  } catch {
    // Missing or damaged: shipping from the start does no harm.
    return NOTHING;
  }
}

/** Opens the journal for the events of this boot. */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const noteFile = join(options.folder, 'acked.json');
  let acked = 0;
  const writer: Writer = {
    ...options,
    listeners: [],
    seq: 0,
    waiting: [],
    durable: { boot: options.boot, seq: 0 },
    writing: undefined,
    segment: undefined,
  };
  return {
    append: (event) => append(writer, event),
    flushed: async () => writer.writing,
    onAppend: (listener) => void writer.listeners.push(listener),
    after: (position, max) => after(writer, position, max),
    acknowledged: () => readAcknowledged(noteFile),
    backlog: () => writer.seq - acked,
    async acknowledge(held) {
      acked = held.boot === options.boot ? held.seq : 0;
      await replaceFile(noteFile, JSON.stringify(held));
      await tidySegments(options.folder, held, Date.now());
    },
    close: () => close(writer),
  };
}
