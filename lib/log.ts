/**
 * Logging: pino to standard error, one JSON line each. What looks like a secret is never written,
 * whichever object it sits in.
 */
import { pino, type Logger } from 'pino';

export type { Logger };

const SECRET_KEYS = ['password', 'token', 'secret', 'authorization', 'verifiers', 'roles'];

export function createLogger(process_: string, level: string): Logger {
  return pino(
    {
      level,
      base: { process: process_, pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]),
        censor: '[secret]',
      },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
