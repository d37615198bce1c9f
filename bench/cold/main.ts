/**
 * `npm run fleet -- 50 [--minutes 5] [--json FILE]`: a fleet of which nine in ten sleep is migrated,
 * its passwords are rotated, it is used for some minutes and invoiced; everything is counted from
 * outside. The last line: `fleet: migrated=… twice=0 rotated=… woken=0 failed_logins=0 invoice_diff_s=…`.
 */
import { parseArgs } from 'node:util';
import { createProgress } from '../../dev/print.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { createLogger } from '../../lib/log.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { lineOf, wholeNumber, writeSamples, type BenchResult } from '../harness.ts';
import { compareInvoices } from './invoices.ts';
import { migrate, rotate, use } from './fleet-steps.ts';
import { startObserver } from './observer.ts';
import { withColdStack, type ColdDatabase, type ColdStack } from './stack.ts';

const STOP_MS_MAX = 20_000;
const DATABASES_DEFAULT = 50;
const MINUTES_DEFAULT = 5;
/** Of ten databases so many run; the others sleep. */
const AWAKE_OF_TEN = 1;
const TENANTS = 5;
/** An edge of an interval may be off by this: what the bar allows. */
const EDGE_S_MAX = 2;

type Say = (line: string) => void;

interface FleetArguments {
  readonly count: number;
  readonly minutes: number;
  readonly json: string | undefined;
}

function readArguments(): FleetArguments {
  try {
    const { values, positionals } = parseArgs({
      options: { minutes: { type: 'string' }, json: { type: 'string' } },
      allowPositionals: true,
    });
    const minutes = Number(values.minutes ?? MINUTES_DEFAULT);
    if (!(minutes > 0 && minutes <= 60)) throw new ConfigError('--minutes must be 0 to 60');
    return {
      count: wholeNumber('the number of databases', positionals[0]) ?? DATABASES_DEFAULT,
      minutes,
      json: values.json,
    };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError('usage: npm run fleet -- [databases] [--minutes N] [--json FILE]', {
      cause: error,
    });
  }
}

const tenantOf = (n: number): string => `fleet-${n % TENANTS}`;

async function make(stack: ColdStack, count: number, say: Say): Promise<readonly ColdDatabase[]> {
  const databases: ColdDatabase[] = [];
  for (let n = 0; n < count; n++) databases.push(await stack.create(tenantOf(n)));
  const awake = Math.max(1, Math.floor((count * AWAKE_OF_TEN) / 10));
  for (const { id } of databases.slice(awake)) await stack.sleep(id);
  say(`${count} databases: ${awake} run, ${count - awake} sleep`);
  return databases;
}

async function measure(
  stack: ColdStack,
  { count, minutes }: FleetArguments,
  say: Say,
  signal: AbortSignal,
): Promise<BenchResult> {
  const since = Date.now();
  // Warm slots run before they are anybody's: the observer could not tell whose they are.
  await stack.cold('update pool_target set warm_per_host = 0');
  const observer = startObserver(stack.stack.endpoints.volume);
  try {
    const databases = await make(stack, count, say);
    const migrated = await migrate(stack, databases, say);
    const rotated = await rotate(stack, databases, say);
    say(`used for ${minutes} minutes`);
    await use(stack, rotated.urls, minutes * 60_000, signal);
    for (const { id } of databases) await stack.sleep(id);
    observer.stop();
    say('invoicing');
    const tenants = [...new Set(databases.map((_, n) => tenantOf(n)))];
    const billed = await compareInvoices(stack, databases, tenants, observer.seen(), since);
    const figures = { ...migrated, ...rotated.figures, ...billed };
    const good =
      figures.migrated === count &&
      figures.twice === 0 &&
      figures.rotated === count &&
      figures.woken === 0 &&
      figures.failed_logins === 0 &&
      figures.old_accepted === 0 &&
      figures.invoice_diff_s <= EDGE_S_MAX &&
      figures.edge_diff_s <= EDGE_S_MAX;
    return {
      samples: {},
      figures,
      ...(good ? {} : { broken: 'every figure has its bar in bench/cold/main.ts' }),
    };
  } finally {
    observer.stop();
  }
}

runMain('fleet', async () => {
  const args = readArguments();
  const aborter = new AbortController();
  const { signal } = aborter;
  const shutdown = installShutdown(createLogger('fleet', 'warn'), STOP_MS_MAX);
  const write = (text: string): void => void process.stdout.write(text);
  const { say } = createProgress(write, () => performance.now());
  say('starting a stack of its own');
  const running = withColdStack({ warm: 0, say: () => undefined, signal }, (stack) =>
    measure(stack, args, say, signal),
  );
  shutdown.onStop('fleet', async () => {
    aborter.abort();
    await running.catch(() => undefined);
  });
  const result = await running;
  if (args.json !== undefined) await writeSamples(args.json, 'fleet', result);
  if (result.broken !== undefined) write(`not as it must be: ${result.broken}\n`);
  write(`${lineOf('fleet', result.figures)}\n`);
  await shutdown.stop('done', result.broken === undefined ? 0 : 1);
});
