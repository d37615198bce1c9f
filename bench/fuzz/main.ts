/**
 * `npm run fuzz [-- --minutes M --seed N]`: wrong bytes for the decoders of the proxy, and for a live
 * one before a database that sleeps. The last line: `fuzz: decoded=… conversations=… crashes=… …`.
 */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect } from '../../db/client.ts';
import { createFleetClient } from '../../dev/fleet-client.ts';
import { createProgress } from '../../dev/print.ts';
import type { Stack } from '../../dev/stack.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { createLogger } from '../../lib/log.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { lineOf, wholeNumber, type Figures } from '../harness.ts';
import { createRandom } from '../random.ts';
import { fuzzDecoders } from './decoders.ts';
import { fuzzListener } from './listener.ts';

const MINUTE_MS = 60_000;
/** Of the time; the decoders have the processor to themselves, a proxy answers over sockets. */
const DECODERS_SHARE = 0.2;
const IDLE_MS = 3_600_000;
const STOP_MS_MAX = 30_000;
/** Sockets that are closing, kept connections to apis: nothing that grows with the conversations. */
const FDS_MORE_MAX = 20;
/** After a warm-up of a tenth of the conversations. */
const GROWTH_MB_MAX = 64;
const SETTLE_MS = 3_000;

interface Arguments {
  readonly minutes: number;
  readonly seed: number;
}

/** @throws ConfigError with one sentence. */
function readArguments(args: readonly string[]): Arguments {
  const options = { minutes: { type: 'string' }, seed: { type: 'string' } } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    const minutes = Number(values.minutes ?? 1);
    if (!(minutes > 0)) throw new ConfigError('--minutes must be a number above 0');
    return { minutes, seed: wholeNumber('--seed', values.seed) ?? 1 };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

interface Size {
  readonly fds: number;
  readonly mb: number;
}

async function sizeOf(pid: number): Promise<Size> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kb = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
  return { fds: (await readdir(`/proc/${pid}/fd`)).length, mb: kb / 1024 };
}

interface Run extends Arguments {
  readonly stack: Stack;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

async function measure({ stack, minutes, seed, say, signal }: Run): Promise<Figures> {
  const { api, proxy, processes } = stack.endpoints;
  const random = createRandom(seed);
  const fleet = createFleetClient(api.url, api.tokens['operator'] ?? '');
  try {
    const made = await fleet.create({ tenant: 'fuzz', idle_ms: IDLE_MS });
    await fleet.suspend(made.id, made.epoch);
    const before = await fleet.waitFor(made.id, ({ state }) => state === 'suspended', STOP_MS_MAX);
    const pid = processes['proxy'] ?? 0;
    const forMs = minutes * MINUTE_MS;
    say(`decoders, seed ${seed}`);
    const decoded = await fuzzDecoders(performance.now() + forMs * DECODERS_SHARE, random, say);
    say('a live proxy');
    const wanted = { port: proxy.port, database: made.id, random, signal, say };
    const began = performance.now();
    const liveMs = forMs * (1 - DECODERS_SHARE);
    const first = await fuzzListener({ ...wanted, untilMs: began + liveMs / 10 });
    await delay(SETTLE_MS);
    const warm = await sizeOf(pid);
    const second = await fuzzListener({ ...wanted, untilMs: began + liveMs });
    await delay(SETTLE_MS);
    const after = await sizeOf(pid);
    const found = await fleet.get(made.id);
    const crashed = stack.endpoints.processes['proxy'] === pid ? 0 : 1;
    const client = await connect(made.connection_string);
    await client.query('select 1');
    await client.end();
    return {
      decoded: decoded.decoded,
      conversations: first.conversations + second.conversations,
      crashes: decoded.crashes + crashed,
      slow: decoded.slow,
      hangs: first.hangs + second.hangs,
      woken: found.epoch - before.epoch,
      fds_more: Math.max(0, after.fds - warm.fds - FDS_MORE_MAX),
      rss_growth_mb: Math.round(after.mb - warm.mb),
    };
  } finally {
    fleet.close();
  }
}

function isGood(figures: Figures): boolean {
  const zeros = ['crashes', 'slow', 'hangs', 'woken', 'fds_more'];
  return (
    zeros.every((name) => figures[name] === 0) && (figures['rss_growth_mb'] ?? 0) <= GROWTH_MB_MAX
  );
}

runMain('fuzz', async () => {
  const args = readArguments(process.argv.slice(2));
  const write = (text: string): void => void process.stdout.write(text);
  const { say } = createProgress(write, () => performance.now());
  const aborter = new AbortController();
  const { signal } = aborter;
  const shutdown = installShutdown(createLogger('fuzz', 'warn'), STOP_MS_MAX);
  const starting = startTemporaryStack({ hosts: 1, warm: 0, say: () => undefined, signal });
  shutdown.onStop('stack', async () => {
    aborter.abort();
    await starting.then((stack) => stack.stop()).catch(() => undefined);
  });
  const figures = await measure({ ...args, stack: await starting, say, signal });
  write(`${lineOf('fuzz', { ...figures, seed: args.seed })}\n`);
  await shutdown.stop('done', isGood(figures) ? 0 : 1);
});
