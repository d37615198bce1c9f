/** `npm start` as a process of its own, so that it can be killed as well. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readEndpoints, type Endpoints } from '../../dev/endpoints.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 12_000;
const LOOK_MS = 50;

export interface Runner {
  /** Starts it and waits until it is ready. @throws ConfigError with its last line. */
  readonly start: () => Promise<Endpoints>;
  readonly kill: () => Promise<void>;
  /** In order. @returns false if it took longer than 12 s. */
  readonly stop: () => Promise<boolean>;
  readonly endpoints: () => Promise<Endpoints | undefined>;
}

export interface RunnerOptions {
  readonly home: string;
  /** What it says. */
  readonly logFile: string;
  readonly settings: Readonly<Record<string, string>>;
}

export function createRunner({ home, logFile, settings }: RunnerOptions): Runner {
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();

  function spawnRunner(): ChildProcess {
    const log = openSync(logFile, 'a', 0o600);
    try {
      const main = join(PACKAGE_ROOT, 'dist/dev/main.js');
      return spawn(process.execPath, ['--enable-source-maps', main], {
        env: childEnvironment({ PILOTLIGHT_TEMPORAL: 'off', ...settings, PILOTLIGHT_HOME: home }),
        stdio: ['ignore', log, log],
        detached: true,
      });
    } finally {
      closeSync(log);
    }
  }

  const isRunning = (): boolean => child?.exitCode === null && child.signalCode === null;

  return {
    async start() {
      const started = spawnRunner();
      child = started;
      ended = new Promise((resolve) => started.once('exit', () => resolve()));
      const deadline = Date.now() + READY_MS_MAX;
      for (;;) {
        const endpoints = await readEndpoints(home);
        if (endpoints !== undefined && endpoints.runner.pid === started.pid) return endpoints;
        if (!isRunning() || Date.now() > deadline) {
          const said = (await readFile(logFile, 'utf8')).trim().split('\n').at(-1);
          throw new ConfigError(`the stack did not start: ${said}`);
        }
        await delay(LOOK_MS);
      }
    },
    async kill() {
      child?.kill('SIGKILL');
      await ended;
    },
    async stop() {
      if (!isRunning()) return true;
      child?.kill('SIGTERM');
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        child?.kill('SIGKILL');
      }, STOP_MS_MAX);
      await ended;
      clearTimeout(timer);
      return !late;
    },
    endpoints: () => readEndpoints(home),
  };
}
