/** `npm run demo`: the story against the running stack, or against one that it starts and removes. */
import { readConfig } from '../lib/config.ts';
import { createLogger } from '../lib/log.ts';
import { installShutdown, runMain, type Shutdown } from '../lib/shutdown.ts';
import { tellStory } from './demo-story.ts';
import { readEndpoints, type Endpoints } from './endpoints.ts';
import { createFleetClient } from './fleet-client.ts';
import { createProgress } from './print.ts';
import { identify, signal } from './process-table.ts';
import { startTemporaryStack } from './temporary.ts';

const STOP_MS_MAX = 12_000;

interface Borrowed {
  readonly endpoints: Endpoints;
  readonly kill: (name: string) => Promise<boolean>;
}

/** The running stack: its runner starts a killed agent again. */
async function borrow(home: string): Promise<Borrowed | undefined> {
  const endpoints = await readEndpoints(home);
  if (endpoints === undefined) return undefined;
  return {
    endpoints,
    async kill(name) {
      // As of now: the process may have been started again since.
      const pid = (await readEndpoints(home))?.processes[name];
      const id = pid === undefined ? undefined : identify(pid);
      return id !== undefined && signal(id, 'SIGKILL');
    },
  };
}

async function startOwn(say: (line: string) => void, shutdown: Shutdown): Promise<Borrowed> {
  say('no stack runs here: starting one of my own');
  const aborter = new AbortController();
  // Ended processes are part of the story, so only the story speaks.
  const starting = startTemporaryStack({ say: () => undefined, signal: aborter.signal });
  shutdown.onStop('stack', async () => {
    aborter.abort();
    const stack = await starting.catch(() => undefined);
    await stack?.stop();
  });
  const stack = await starting;
  return {
    endpoints: stack.endpoints,
    kill: async (name) => stack.kill(name, 'SIGKILL'),
  };
}

runMain('demo', async () => {
  const config = readConfig(['PILOTLIGHT_HOME']);
  const shutdown = installShutdown(createLogger('demo', 'warn'), STOP_MS_MAX);
  const write = (text: string): void => void process.stdout.write(text);
  const { say, elapsed } = createProgress(write, () => performance.now());
  const stack = (await borrow(config.PILOTLIGHT_HOME)) ?? (await startOwn(say, shutdown));
  const { api } = stack.endpoints;
  const fleet = createFleetClient(api.url, api.tokens['operator'] ?? '');
  try {
    const table = await tellStory({ fleet, say, killAgent: stack.kill });
    write(`\n${table.join('\n')}\n\ntold in ${elapsed()}\n`);
  } finally {
    fleet.close();
  }
  await shutdown.stop('the story is told');
});
