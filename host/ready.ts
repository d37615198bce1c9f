/**
 * When a Postgres is ready: read from the line it writes to its log, never by polling connects.
 */
import { closeSync, openSync, readSync, watch } from 'node:fs';

const READY = 'database system is ready to accept connections';
const RECOVERS = 'automatic recovery in progress';
/** What is read at a time; the log of a start has less than 2 KiB. */
const READ_BYTES = 16 * 1024;

/**
 * How a wait for readiness ends. `recovered`: ready, after a run that did not end in order. `silent`: not a
 * line in `silentMs`, although it lives.
 */
export type ReadyOutcome = 'ready' | 'recovered' | 'exited' | 'silent';

export interface ReadyOptions {
  /** Standard error of the Postgres, opened for appending, of this incarnation alone. */
  readonly logFile: string;
  /** Byte of the file at which this run's lines begin; 0 unless the file has had earlier runs. */
  readonly from?: number;
  /** Resolves when the process has ended. */
  readonly exited: Promise<unknown>;
  /** Milliseconds without a new line after which the wait is given up; recovery reports progress. */
  readonly silentMs: number;
}

/**
 * Reads a log as it grows and says once that the line is there. Synchronously: the run folder is
 * memory or a local disk, and a turn through the pool of threads would cost more than the read.
 */
function createTail(file: number, from: number) {
  const chunk = Buffer.allocUnsafe(READ_BYTES);
  let position = from;
  let rest = '';
  let recovers = false;
  return (): { grew: boolean; ready?: 'ready' | 'recovered' } => {
    let grew = false;
    for (;;) {
      const bytesRead = readSync(file, chunk, 0, READ_BYTES, position);
      if (bytesRead === 0) return { grew };
      grew = true;
      position += bytesRead;
      rest += chunk.toString('latin1', 0, bytesRead);
      recovers ||= rest.includes(RECOVERS);
      if (rest.includes(READY)) return { grew, ready: recovers ? 'recovered' : 'ready' };
      rest = rest.slice(-READY.length);
    }
  };
}

/**
 * Waits until a Postgres is ready for connections. The watch is armed when this function is called,
 * before its first await, and the file is read once after that: no line can be missed.
 */
export async function waitForReady(options: ReadyOptions): Promise<ReadyOutcome> {
  let wake: (() => void) | undefined;
  let changed = true;
  const poke = (): void => {
    changed = true;
    wake?.();
  };
  const watcher = watch(options.logFile, poke);
  // A log that is taken away makes the watch fail; the end of the process is seen anyway.
  watcher.on('error', poke);
  let ended = false;
  void options.exited.then(() => {
    ended = true;
    poke();
  });
  let timer: NodeJS.Timeout | undefined;
  let silent = false;
  const arm = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      silent = true;
      poke();
    }, options.silentMs);
  };
  arm();
  const file = openSync(options.logFile, 'r');
  try {
    const read = createTail(file, options.from ?? 0);
    for (;;) {
      if (!changed) await new Promise<void>((resolve) => (wake = resolve));
      changed = false;
      const wasEnded = ended;
      const { grew, ready } = read();
      if (ready !== undefined) return ready;
      if (wasEnded) return 'exited';
      if (grew) {
        silent = false;
        arm();
      } else if (silent) return 'silent';
    }
  } finally {
    clearTimeout(timer);
    watcher.close();
    closeSync(file);
  }
}
