/**
 * The SDK's own runtime: its log lines go through ours, its metrics to a port of their own. Called
 * once per process, before the first connection.
 */
import { DefaultLogger, Runtime, type LogEntry } from '@temporalio/worker';
import type { Logger } from '../lib/log.ts';

const LEVELS = {
  TRACE: 'debug',
  DEBUG: 'debug',
  INFO: 'debug',
  WARN: 'warn',
  ERROR: 'error',
} as const;

/** Of what the SDK says about a line, only names and numbers: never arguments or results. */
const FIELDS = [
  'namespace',
  'taskQueue',
  'workflowType',
  'workflowId',
  'runId',
  'activityType',
  'activityId',
  'attempt',
  'durationMs',
  'sdkComponent',
] as const;

function errorOf(value: unknown): { readonly type: string; readonly text: string } | undefined {
  if (!(value instanceof Error)) return undefined;
  const type = 'type' in value && typeof value.type === 'string' ? value.type : value.name;
  return { type, text: value.message.slice(0, 300) };
}

/** What of a line of the SDK is written. */
export function lineOf(entry: Pick<LogEntry, 'meta'>): Record<string, unknown> {
  const meta: Readonly<Record<string, unknown>> = { ...entry.meta };
  const known = FIELDS.filter((field) => meta[field] !== undefined);
  const error = errorOf(meta['error']);
  return {
    ...Object.fromEntries(known.map((field) => [field, meta[field]])),
    ...(error === undefined ? {} : { error }),
  };
}

export interface RuntimeOptions {
  readonly log: Logger;
  readonly bind: string;
  /** 0: no metrics of the SDK. */
  readonly metricsPort: number;
}

export function installRuntime({ log, bind, metricsPort }: RuntimeOptions): void {
  const level = log.level === 'debug' ? 'DEBUG' : 'WARN';
  Runtime.install({
    logger: new DefaultLogger(level, (entry) =>
      log[LEVELS[entry.level]](lineOf(entry), entry.message),
    ),
    telemetryOptions: {
      logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } },
      ...(metricsPort === 0
        ? {}
        : { metrics: { prometheus: { bindAddress: `${bind}:${metricsPort}` } } }),
    },
    // We end by lib/shutdown.ts.
    shutdownSignals: [],
  });
}
