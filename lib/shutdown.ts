/**
 * How a process ends: by SIGTERM or SIGINT in order, on a bug at once and loudly. Steps run in the
 * reverse order of their registration, all within the grace time.
 */
import { ConfigError } from './config-error.ts';
import type { Logger } from './log.ts';
import { within } from './within.ts';

export interface Shutdown {
  /** Registers a step. The last one registered runs first. */
  readonly onStop: (name: string, step: () => Promise<void> | void) => void;
  /** Runs the steps once and ends the process. */
  readonly stop: (reason: string, code?: number) => Promise<void>;
}

export function installShutdown(log: Logger, graceMs = 8_000): Shutdown {
  const steps: { name: string; step: () => Promise<void> | void }[] = [];
  let stopping: Promise<void> | undefined;

  async function runSteps(): Promise<void> {
    for (const { name, step } of steps.reverse()) {
      try {
        await step();
      } catch (error) {
        log.error({ err: error, step: name }, 'a step of the shutdown failed');
      }
    }
  }

  async function stopOnce(reason: string, code: number): Promise<void> {
    log.info({ reason }, 'stopping');
    const late = Symbol('late');
    const clean = (await within(runSteps(), graceMs, () => late)) !== late;
    if (!clean) log.error({ grace_ms: graceMs }, 'the shutdown took too long');
    process.exit(clean ? code : 1);
  }

  const stop = (reason: string, code = 0): Promise<void> => (stopping ??= stopOnce(reason, code));

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => void stop(signal));
  }
  return { onStop: (name, step) => steps.push({ name, step }), stop };
}

/**
 * Runs a main. A mistake of the person who started it is one sentence; anything unexpected, now or
 * later, ends the process with its stack, and the supervisor starts it again.
 */
export function runMain(name: string, main: () => Promise<void>): void {
  const die = (error: unknown): void => {
    const shown =
      error instanceof ConfigError
        ? `${name}: ${error.message}`
        : `${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    process.stderr.write(`${shown}\n`);
    process.exit(1);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  main().catch(die);
}
