/** A process in a bench's own hand: nobody starts it again when it is killed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { openLog } from '../../dev/logs.ts';
import { childEnvironment } from '../../lib/environment.ts';

export type Environment = Readonly<Record<string, string>>;

export interface BenchProcess {
  /** Nothing happens while it runs. */
  readonly start: () => void;
  readonly signal: (name: NodeJS.Signals) => void;
  /** SIGKILL, and waits until it is gone. */
  readonly kill: () => Promise<void>;
}

export interface BenchProcessOptions {
  readonly command: readonly string[];
  readonly env: Environment;
  readonly logFile: string;
  /** Called with each new process, before it has done anything. */
  readonly started?: (pid: number) => void;
}

export function createProcess(options: BenchProcessOptions): BenchProcess {
  const [program = '', ...args] = options.command;
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  const isRunning = (): boolean => child?.exitCode === null && child.signalCode === null;
  return {
    start() {
      if (isRunning()) return;
      const log = openLog(options.logFile);
      try {
        const started = spawn(program, args, {
          env: childEnvironment(options.env),
          stdio: ['ignore', log, log],
          detached: true,
        });
        ended = new Promise((resolve) => {
          started.once('exit', () => resolve());
          started.once('error', () => resolve());
        });
        child = started;
        if (started.pid !== undefined) options.started?.(started.pid);
      } finally {
        closeSync(log);
      }
    },
    signal: (name) => void (isRunning() && child?.kill(name)),
    async kill() {
      if (isRunning()) child?.kill('SIGKILL');
      await ended;
    },
  };
}
