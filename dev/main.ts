/** `npm start`: runs the whole stack on this machine until it is told to stop. */
import { relative } from 'node:path';
import { readManagementConfig } from '../lib/config-management.ts';
import { replaceFile } from '../lib/files.ts';
import { createLogger } from '../lib/log.ts';
import { installShutdown, runMain } from '../lib/shutdown.ts';
import { createProgress, managementText, readyText } from './print.ts';
import { startStack, type Stack } from './stack.ts';

/** What a stop may take in all. */
const STOP_MS_MAX = 9_800;

/** `-H @file` keeps the token out of the list of processes. */
async function writeCurlHeader(stack: Stack): Promise<string> {
  const { home, api } = stack.endpoints;
  const path = `${home}/operator.header`;
  await replaceFile(path, `authorization: Bearer ${api.tokens['operator']}\n`, 0o600);
  const short = relative('.', path);
  return short.startsWith('..') ? path : short;
}

runMain('pilotlight', async () => {
  const config = readManagementConfig([
    'PILOTLIGHT_HOME',
    'PILOTLIGHT_PORT_BASE',
    'PILOTLIGHT_NAMESPACES',
    'PILOTLIGHT_LOCK',
    'PILOTLIGHT_TEMPORAL',
  ]);
  // Whoever reads our words may leave; the stack stays.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const write = (text: string): void => void process.stdout.write(text);
  const { say, elapsed } = createProgress(write, () => performance.now());

  const shutdown = installShutdown(createLogger('runner', 'warn'), STOP_MS_MAX);
  process.on('SIGHUP', () => void shutdown.stop('SIGHUP'));
  const aborter = new AbortController();
  const starting = startStack({
    home: config.PILOTLIGHT_HOME,
    portBase: config.PILOTLIGHT_PORT_BASE,
    namespaces: config.PILOTLIGHT_NAMESPACES === 'on',
    lock: config.PILOTLIGHT_LOCK,
    demo: true,
    management: config.PILOTLIGHT_TEMPORAL,
    say,
    signal: aborter.signal,
    onGone: () => void shutdown.stop('the home is gone', 1),
  });
  shutdown.onStop('stack', async () => {
    write('stopping\n');
    aborter.abort();
    const stack = await starting.catch(() => undefined);
    await stack?.stop();
    write('stopped\n');
  });
  const stack = await starting.catch((error: unknown) => {
    if (aborter.signal.aborted) return undefined;
    throw error;
  });
  if (stack === undefined || aborter.signal.aborted) return;
  write(readyText(stack.endpoints, elapsed(), await writeCurlHeader(stack)));
  const management = await stack.management;
  if (management !== undefined) write(managementText(management, elapsed()));
});
