/** `npm run bench -- <name> [--times N] [--json FILE]`: one bench, on a stack of its own. */
import { setMaxListeners } from 'node:events';
import { createLogger } from '../lib/log.ts';
import { ConfigError } from '../lib/config-error.ts';
import { installShutdown, runMain } from '../lib/shutdown.ts';
import { burst } from './burst.ts';
import { create } from './create.ts';
import { footprint } from './footprint.ts';
import { hold } from './hold/hold.ts';
import { hotVerbs } from './hot-verbs.ts';
import { isolation } from './isolation/isolation.ts';
import { lineOf, readBenchArguments, writeSamples, type Bench } from './harness.ts';
import { proxy } from './proxy/proxy.ts';
import { scale } from './scale.ts';
import { wake } from './wake.ts';

const BENCHES: readonly Bench[] = [
  wake,
  burst,
  create,
  hotVerbs,
  scale,
  footprint,
  isolation,
  proxy,
  hold,
];
const STOP_MS_MAX = 15_000;

runMain('bench', async () => {
  const { name, json, times } = readBenchArguments(process.argv.slice(2));
  const bench = BENCHES.find((candidate) => candidate.name === name);
  if (bench === undefined) {
    const known = BENCHES.map((one) => `${one.name} (${one.what})`).join(', ');
    throw new ConfigError(
      `usage: npm run bench -- <name> [--times N] [--json FILE]; names: ${known}`,
    );
  }
  const aborter = new AbortController();
  // Of an open loop every arrival waits on it.
  setMaxListeners(0, aborter.signal);
  const shutdown = installShutdown(createLogger('bench', 'warn'), STOP_MS_MAX);
  const write = (text: string): void => void process.stdout.write(`${text}\n`);
  const running = bench.run({ times, say: write, signal: aborter.signal });
  shutdown.onStop('bench', async () => {
    aborter.abort();
    await running.catch(() => undefined);
  });
  const result = await running;
  if (json !== undefined) await writeSamples(json, bench.name, result);
  if (result.broken !== undefined) write(`not as it must be: ${result.broken}`);
  write(lineOf(bench.name, result.figures));
  await shutdown.stop('done', result.broken === undefined ? 0 : 1);
});
