/** The journal's segments: their names, what is in them, and when they may go. */
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../lib/errno.ts';
import { JOURNAL_KEEP_MS } from '../model/limits.ts';
import type { AgentEvent } from '../model/wire.ts';

/** How far someone has read: the name of the last event. */
export interface Position {
  readonly boot: number;
  readonly seq: number;
}

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
