/**
 * `npm run kills`: kills processes of a whole stack at random moments while numbered rows are
 * written, and then counts what was lost. Hosts have PID and IPC namespaces of their own where root
 * allows: there Postgres' own check of postmaster.pid can not help, and only the lock does.
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createFleetClient, type FleetClient } from '../../dev/fleet-client.ts';
import { clearVanished, homePaths } from '../../dev/home.ts';
import type { Occupant } from '../../dev/occupants.ts';
import { BIND } from '../../dev/plan.ts';
import { findPortBase } from '../../dev/ports.ts';
import { isRoot } from '../../host/prepare.ts';
import { createLogger } from '../../lib/log.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { createProgress } from '../../dev/print.ts';
import { readKillsArguments, type KillsArguments } from './arguments.ts';
import { lineOf, type Figures } from '../harness.ts';
import { createRunner, type Runner } from './runner.ts';
import { planKills } from './schedule.ts';
import { openSession, startSlowSession, startWriter, type Worker, type Writer } from './session.ts';
import { findLeakedSlots } from './slots.ts';
import { killOne, type Places } from './targets.ts';
import { judge } from './verdict.ts';
import { startWatcher } from './watcher.ts';
import { killWorkflows } from './workflows.ts';

const HOSTS = 2;
const DATABASES = 3;
/** Nothing is suspended for idleness while sessions come and go. */
const IDLE_MS = 600_000;
const STOP_MS_MAX = 30_000;
/** After the last kill: what it did shall show under load, too. */
const AFTERMATH_MS = 3_000;

type Say = (line: string) => void;

interface Load {
  readonly url: string;
  readonly id: string;
  readonly writer: Writer;
  readonly slow: Worker;
}

async function startLoad(fleet: FleetClient): Promise<Load> {
  const { id, connection_string: url } = await fleet.create({ tenant: 'kills', idle_ms: IDLE_MS });
  const client = await openSession(url, 'kills set-up');
  await client.query('create table numbered (n int primary key)');
  await client.query('create table slow (n int, body double precision)');
  await client.end();
  return { id, url, writer: startWriter(url), slow: startSlowSession(url) };
}

async function killThem(
  { times, seed }: KillsArguments,
  runner: Runner,
  places: Places,
  say: Say,
): Promise<void> {
  for (const kill of planKills(times, seed)) {
    await delay(kill.afterMs);
    if (kill.target === 'runner') {
      await runner.kill();
      say('killed the runner; npm start again');
      await runner.start();
      say('ready again');
      continue;
    }
    say(`killed: ${killOne(kill, places) ?? `no ${kill.target} runs right now`}`);
  }
  await delay(AFTERMATH_MS);
}

/** Suspends every database, so that each has to start once more to show its rows. */
async function suspendAll(fleet: FleetClient, loads: readonly Load[], say: Say): Promise<void> {
  for (const { id } of loads) {
    try {
      const { state, epoch } = await fleet.get(id);
      if (state === 'running') await fleet.suspend(id, epoch);
    } catch (error) {
      say(`${id} was not suspended: ${String(error)}`);
    }
  }
}

async function measure(
  args: KillsArguments,
  runner: Runner,
  places: Places,
  say: Say,
): Promise<Figures> {
  const endpoints = await runner.start();
  say('the stack is ready');
  const fleet = createFleetClient(endpoints.api.url, endpoints.api.tokens['operator'] ?? '');
  const loads: Load[] = [];
  for (let i = 0; i < DATABASES; i++) loads.push(await startLoad(fleet));
  const tell = (occupants: readonly Occupant[]): void => {
    const seen = occupants.map(({ pid, incarnation }) => `${pid} ${incarnation}`);
    say(`two incarnations on one directory:\n            ${seen.join('\n            ')}`);
  };
  const watcher = startWatcher(places.directories, tell);
  say(`${DATABASES} databases are written to; seed ${args.seed}`);
  await killThem(args, runner, places, say);

  say('no more kills; the writers stop');
  await Promise.all(loads.flatMap(({ writer, slow }) => [writer.stop(), slow.stop()]));
  say('suspending all');
  await suspendAll(fleet, loads, say);
  say('waking all');
  const verdicts = await Promise.all(
    loads.map(({ url, writer }) => judge(url, writer.acknowledged())),
  );
  say('comparing slots');
  const leaked = await findLeakedSlots(endpoints);
  for (const line of leaked) say(`slot: ${line}`);
  watcher.stop();
  fleet.close();
  say(`the watcher looked ${watcher.looks()} times`);
  return {
    acknowledged: loads.reduce((sum, { writer }) => sum + writer.acknowledged().length, 0),
    lost: verdicts.reduce((sum, { lost }) => sum + lost, 0),
    doubles: watcher.doubles(),
    slots_leaked: leaked.length,
    unstartable: verdicts.filter(({ starts }) => !starts).length,
  };
}

/** Stops the stack and removes its home and state. */
async function clean(home: string, runner: Runner, say: Say): Promise<void> {
  if (!(await runner.stop())) say('the stop took longer than 12 s');
  await rm(home, { recursive: true, force: true });
  await clearVanished(homePaths(home));
}

runMain('kills', async () => {
  const args = readKillsArguments(process.argv.slice(2));
  const write = (text: string): void => void process.stdout.write(text);
  const { say } = createProgress(write, () => performance.now());
  const shutdown = installShutdown(createLogger('kills', 'warn'), STOP_MS_MAX);
  if (args.workflows) return killWorkflows({ args, shutdown, write, say });
  // Below a folder of its own, which is not the home: the log outlives the home.
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'pilotlight-kills-')));
  const home = join(folder, 'home');
  const runner = createRunner({
    home,
    logFile: join(folder, 'runner.log'),
    settings: {
      PILOTLIGHT_PORT_BASE: String(await findPortBase(HOSTS, BIND)),
      PILOTLIGHT_NAMESPACES: isRoot() ? 'on' : 'off',
      PILOTLIGHT_LOCK: args.lock,
      PILOTLIGHT_LOG_LEVEL: 'info',
    },
  });
  shutdown.onStop('stack', async () => {
    await clean(home, runner, say);
    await rm(folder, { recursive: true, force: true });
  });
  const paths = homePaths(home);
  const directories = join(paths.state, 'volume/directories');
  let good = false;
  try {
    const figures = await measure(args, runner, { watch: paths.watch, directories }, say);
    write(`${lineOf('kills', figures)}\n`);
    const { lost, doubles, slots_leaked, unstartable } = figures;
    good = [lost, doubles, slots_leaked, unstartable].every((count) => count === 0);
  } catch (error) {
    write(`kills: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  }
  await shutdown.stop('done', good ? 0 : 1);
});
