/** The real worker main of dist/ as a process, for tests of its life. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { childEnvironment } from '../../lib/environment.ts';
import { freePort } from '../../lib/free-port.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';

/** Nothing listens there: the worker must do without. */
const NOBODY = '127.0.0.1:1';

export interface TestWorker {
  readonly process: ChildProcess;
  readonly healthUrl: string;
  readonly exitCode: Promise<number | null>;
  /** What it has logged. */
  readonly log: () => string;
  /** `/readyz` of all queues, or of one. */
  readonly isReady: (queue?: string) => Promise<boolean>;
  readonly notReady: () => Promise<string>;
}

export interface TestWorkerOptions {
  readonly address: string;
  readonly role?: string;
  readonly guard: (child: ChildProcess) => void;
  readonly settings?: Readonly<Record<string, string>>;
}

export async function startTestWorker(options: TestWorkerOptions): Promise<TestWorker> {
  const port = await freePort();
  const env = {
    PILOTLIGHT_METRICS_PORT: String(port),
    PILOTLIGHT_API_URLS: `http://${NOBODY}`,
    PILOTLIGHT_API_TOKEN: 'api-token-of-a-test',
    PILOTLIGHT_AGENT_TOKEN: 'agent-token-of-a-test',
    PILOTLIGHT_HOT_URL: `postgresql://cold:hot-password-of-a-test@${NOBODY}/x`,
    PILOTLIGHT_COLD_URL: `postgresql://worker:cold-password-of-a-test@${NOBODY}/x`,
    PILOTLIGHT_TEMPORAL_ADDRESS: options.address,
    ...options.settings,
  };
  const main = join(PACKAGE_ROOT, 'dist/workers/main.js');
  const child = spawn(process.execPath, [main, '--role', options.role ?? 'all'], {
    env: childEnvironment(env),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  options.guard(child);
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve));
  const healthUrl = `http://127.0.0.1:${port}`;
  const ask = async (path: string): Promise<Response | undefined> =>
    fetch(`${healthUrl}${path}`).catch(() => undefined);
  return {
    process: child,
    healthUrl,
    exitCode,
    log: () => log,
    isReady: async (queue) =>
      (await ask(queue === undefined ? '/readyz' : `/readyz/${queue}`))?.status === 200,
    notReady: async () => (await ask('/readyz'))?.text() ?? '',
  };
}
