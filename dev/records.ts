/**
 * `processes.json` in the home: what the runner has started, so that the next runner knows it even
 * if this one is killed. It is rewritten at every change, before the process is relied upon.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { ProcessId } from './process-table.ts';

export interface ProcessRecord extends ProcessId {
  /** SHA-256 of command and environment: a process may be adopted only if it would be started so. */
  readonly spec: string;
}

export type ProcessRecords = Readonly<Record<string, ProcessRecord>>;

const isRecord = (value: unknown): value is ProcessRecord =>
  typeof value === 'object' &&
  value !== null &&
  'pid' in value &&
  'started' in value &&
  'spec' in value &&
  Number.isSafeInteger(value.pid) &&
  typeof value.started === 'string' &&
  typeof value.spec === 'string';

/** What is there; a file that can not be read says nothing, and /proc is searched besides. */
export function readRecords(path: string): ProcessRecords {
  try {
    const stored = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    return Object.fromEntries(
      Object.entries(stored).flatMap(([name, value]) => (isRecord(value) ? [[name, value]] : [])),
    );
  } catch {
    return {};
  }
}

/** Whole or not at all, but not synced: it tells of processes, and those end with the machine. */
export function writeRecords(path: string, records: ProcessRecords): void {
  const draft = `${path}.draft`;
  writeFileSync(draft, `${JSON.stringify(records, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}
