/** `npm run demo`: the story against the running stack, or against one that it starts and removes. */
import { readManagementConfig } from '../lib/config-management.ts';
import { createLogger } from '../lib/log.ts';
import { installShutdown, runMain, type Shutdown } from '../lib/shutdown.ts';
import { tellManagement } from './demo-management.ts';
import { tellStory } from './demo-story.ts';
import { readEndpoints, type Endpoints } from './endpoints.ts';
import { createFleetClient } from './fleet-client.ts';
import type { ManagementReady } from './management.ts';
import { createProgress } from './print.ts';
import { identify, signal } from './process-table.ts';
import { startTemporaryStack } from './temporary.ts';

const STOP_MS_MAX = 12_000;
/** A server that is there already is ready long before the first part has been told. */
const MANAGEMENT_MS_MAX = 60_000;

interface Borrowed {
  readonly endpoints: Endpoints;
  readonly kill: (name: string) => Promise<boolean>;
  /** undefined if there is none. */
  readonly management: () => Promise<ManagementReady | undefined>;
}

/** The running stack: its runner starts a killed agent again. */
async function borrow(home: string): Promise<Borrowed | undefined> {
  const endpoints = await readEndpoints(home);
  if (endpoints === undefined) return undefined;
  return {
    endpoints,
    management: async () => (await readEndpoints(home))?.management ?? undefined,
    async kill(name) {
      // As of now: the process may have been started again since.
      const pid = (await readEndpoints(home))?.processes[name];
      const id = pid === undefined ? undefined : identify(pid);
      return id !== undefined && signal(id, 'SIGKILL');
    },
  };
}

async function startOwn(
  say: (line: string) => void,
  shutdown: Shutdown,
  temporal: 'auto' | 'off',
): Promise<Borrowed> {
  say('no stack runs here: starting one of my own');
  const aborter = new AbortController();
  // Ended processes are part of the story, so only the story speaks.
  const starting = startTemporaryStack({
    say: () => undefined,
    signal: aborter.signal,
    management: temporal,
  });
  shutdown.onStop('stack', async () => {
    aborter.abort();
    const stack = await starting.catch(() => undefined);
    await stack?.stop();
  });
  const stack = await starting;
  return {
    endpoints: stack.endpoints,
    kill: async (name) => stack.kill(name, 'SIGKILL'),
    management: () => stack.management,
  };
}

/** A server that is still being built is not waited for. */
async function inTime<T>(work: Promise<T | undefined>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), MANAGEMENT_MS_MAX);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

runMain('demo', async () => {
  const config = readManagementConfig(['PILOTLIGHT_HOME', 'PILOTLIGHT_TEMPORAL']);
  const shutdown = installShutdown(createLogger('demo', 'warn'), STOP_MS_MAX);
  const write = (text: string): void => void process.stdout.write(text);
  const { say, elapsed } = createProgress(write, () => performance.now());
  const stack =
    (await borrow(config.PILOTLIGHT_HOME)) ??
    (await startOwn(say, shutdown, config.PILOTLIGHT_TEMPORAL));
  const { api } = stack.endpoints;
  const fleet = createFleetClient(api.url, api.tokens['operator'] ?? '');
  try {
    const table = await tellStory({ fleet, say, killAgent: stack.kill });
    write(`\n${table.join('\n')}\n\n`);
    const management = await inTime(stack.management());
    if (management === undefined)
      say('SKIPPED the cold plane: there is no Temporal server here (yet); npm start gets one');
    else {
      const invoice = await tellManagement({
        fleet,
        endpoints: stack.endpoints,
        management,
        say,
        kill: stack.kill,
      });
      write(`\n${invoice.join('\n')}\n\n`);
    }
    write(`told in ${elapsed()}\n`);
  } finally {
    fleet.close();
  }
  await shutdown.stop('the story is told');
});
