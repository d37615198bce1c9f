/**
 * Starts processes, records them, and starts them again when they end unasked. One line on every
 * such end, and a growing pause while a process can not keep itself alive.
 */
import type { ChildProcess } from 'node:child_process';
import { lowerPriority, type Way } from '../lib/priority.ts';
import { endAll, identify, isAlive, signal, type ProcessId } from './process-table.ts';
import type { ProcessRecord, ProcessRecords } from './records.ts';

const BACKOFF_MS_MIN = 200;
const BACKOFF_MS_MAX = 5_000;
/** A process that lived for this long starts with the shortest pause again. */
const STEADY_MS = 10_000;
/** How often an adopted process is looked at: it is not our child, so nobody tells us of its end. */
const LOOK_MS = 200;

export interface Startable {
  readonly name: string;
  readonly logFile: string;
  /** See ProcessRecord. */
  readonly spec: string;
  readonly spawn: () => ChildProcess | Promise<ChildProcess>;
}

export interface Supervisor {
  /** Spawns it. Its readiness is for the caller to see. */
  readonly start: (what: Startable) => Promise<void>;
  /** Takes over a process that an earlier runner started in the same way. */
  readonly adopt: (what: Startable, running: ProcessId) => void;
  /**
   * Ends it at once and does not start it again until `release`.
   * @returns once it has ended; false if there is no such process.
   */
  readonly hold: (name: string) => Promise<boolean>;
  readonly release: (name: string) => Promise<void>;
  /** Ends it for good: with a signal, and after the grace time with SIGKILL. */
  readonly stop: (name: string, first: NodeJS.Signals, graceMs: number) => Promise<void>;
  readonly find: (name: string) => ProcessId | undefined;
  readonly running: () => ProcessRecords;
  /** Nothing is started again from now on. */
  readonly seal: () => void;
}

interface Entry {
  readonly what: Startable;
  /** What runs now: of one that has been replaced the end is heard late, and means nothing. */
  run: symbol | undefined;
  id: ProcessId | undefined;
  since: number;
  backoffMs: number;
  timer: NodeJS.Timeout | undefined;
  stopped: boolean;
  held: boolean;
}

export interface SupervisorOptions {
  readonly say: (line: string) => void;
  /** Called after every change of what runs. */
  readonly changed: (records: ProcessRecords) => void;
}

/** What the functions below share. */
interface Shared {
  readonly options: SupervisorOptions;
  readonly entries: Map<string, Entry>;
  sealed: boolean;
}

function running({ entries }: Shared): ProcessRecords {
  return Object.fromEntries(
    [...entries.values()].flatMap(({ what, id }): [string, ProcessRecord][] =>
      id === undefined ? [] : [[what.name, { ...id, spec: what.spec }]],
    ),
  );
}

function began(shared: Shared, entry: Entry, id: ProcessId | undefined): void {
  entry.id = id;
  entry.since = Date.now();
  shared.options.changed(running(shared));
}

function ended(shared: Shared, entry: Entry, run: symbol, how: string): void {
  if (entry.run !== run) return;
  entry.id = undefined;
  shared.options.changed(running(shared));
  if (isOver(shared, entry)) return;
  if (Date.now() - entry.since > STEADY_MS) entry.backoffMs = BACKOFF_MS_MIN;
  const { name, logFile } = entry.what;
  const wait = `${(entry.backoffMs / 1000).toFixed(1)} s`;
  shared.options.say(`${name} ended (${how}); starting it again in ${wait}; log: ${logFile}`);
  entry.timer = setTimeout(() => void spawn(shared, entry), entry.backoffMs);
  entry.backoffMs = Math.min(entry.backoffMs * 2, BACKOFF_MS_MAX);
}

async function spawn(shared: Shared, entry: Entry): Promise<void> {
  if (isOver(shared, entry)) return;
  const run = Symbol(entry.what.name);
  entry.run = run;
  let child: ChildProcess;
  try {
    child = await entry.what.spawn();
  } catch (error) {
    ended(shared, entry, run, error instanceof Error ? error.message : String(error));
    return;
  }
  child.once('exit', (code, name) => ended(shared, entry, run, name ?? `exit code ${code}`));
  child.once('error', (error) => {
    if (child.pid === undefined) ended(shared, entry, run, error.message);
  });
  child.unref();
  const id = child.pid === undefined ? undefined : identify(child.pid);
  began(shared, entry, id);
  // Sealed while it was being spawned: nobody else would end it.
  if (id !== undefined && isOver(shared, entry)) signal(id, 'SIGKILL');
}

const isOver = ({ sealed }: Shared, { stopped, held }: Entry): boolean => sealed || stopped || held;

function enter({ entries }: Shared, what: Startable): Entry {
  const entry: Entry = {
    what,
    run: undefined,
    id: undefined,
    since: 0,
    backoffMs: BACKOFF_MS_MIN,
    timer: undefined,
    stopped: false,
    held: false,
  };
  entries.set(what.name, entry);
  return entry;
}

function adopt(shared: Shared, what: Startable, id: ProcessId): void {
  const entry = enter(shared, what);
  const run = Symbol(what.name);
  entry.run = run;
  began(shared, entry, id);
  const timer = setInterval(() => {
    if (isAlive(id)) return;
    clearInterval(timer);
    ended(shared, entry, run, 'gone');
  }, LOOK_MS);
  timer.unref();
}

async function stop(entry: Entry, first: NodeJS.Signals, graceMs: number): Promise<void> {
  entry.stopped = true;
  clearTimeout(entry.timer);
  if (entry.id !== undefined) await endAll([entry.id], first, graceMs);
}

async function hold(entry: Entry | undefined): Promise<boolean> {
  if (entry?.id === undefined) return false;
  entry.held = true;
  await endAll([entry.id], 'SIGKILL', 0);
  return true;
}

async function release(shared: Shared, entry: Entry | undefined): Promise<void> {
  if (entry?.held !== true) return;
  entry.held = false;
  entry.backoffMs = BACKOFF_MS_MIN;
  await spawn(shared, entry);
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const shared: Shared = { options, entries: new Map(), sealed: false };
  const { entries } = shared;
  return {
    start: (what) => spawn(shared, enter(shared, what)),
    adopt: (what, id) => adopt(shared, what, id),
    async stop(name, first, graceMs) {
      const entry = entries.get(name);
      if (entry !== undefined) await stop(entry, first, graceMs);
    },
    hold: (name) => hold(entries.get(name)),
    release: (name) => release(shared, entries.get(name)),
    find: (name) => entries.get(name)?.id,
    running: () => running(shared),
    seal() {
      shared.sealed = true;
      for (const entry of entries.values()) clearTimeout(entry.timer);
    },
  };
}

/** A process that gets what the hot path leaves. @param done gets what has worked, at each start. */
export const lowered = (
  what: Startable,
  done: (way: Way) => void = () => undefined,
): Startable => ({
  ...what,
  async spawn() {
    const child = await what.spawn();
    if (child.pid !== undefined) done(lowerPriority(child.pid));
    return child;
  },
});
