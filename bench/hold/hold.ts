/**
 * A crowd before one sleeping database that does not come: thousands of clients that are let in and held,
 * then a flood of false proofs, and what a login to another database has of it. Held by freezing the
 * only api; each false proof names a role of its own, so that the bound on false logins does not help.
 */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../db/client.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { withBenchFleet, type BenchDatabase, type BenchFleet } from '../fleet.ts';
import type { Bench, BenchOptions, BenchResult } from '../harness.ts';
import { quantile } from '../stats.ts';
import { FALSE_SECRET, rawLogin, secretOf } from './raw-login.ts';

const CLIENTS = 10_000;
/** Logins under way at once while the crowd comes. */
const COMING = 64;
const FALSE_PER_SECOND = 1_000;
const TICK_MS = 10;
const OTHERS = 300;
/** Until the crowd is there and the flood is over. */
const HOLD_MS = 300_000;
const SETTLE_MS = 2_000;

async function rssKb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
}

/** Milliseconds of a login and a row each, one after the other. */
async function visits(url: string, times: number, signal: AbortSignal): Promise<number[]> {
  const took: number[] = [];
  for (let n = 0; n < times; n++) {
    if (signal.aborted) throw new ConfigError('stopped');
    const began = performance.now();
    const client = await connect(url, { onError: () => undefined });
    await client.query('select 1');
    took.push(performance.now() - began);
    await client.end();
  }
  return took;
}

const targetOf = (database: BenchDatabase, port: number) => {
  const { username, password } = new URL(database.connection_string);
  return { port, database: database.id, role: username, secret: secretOf(password) };
};

/** @returns the clients that are held, and what the others were told. */
async function gather(
  fleet: BenchFleet,
  database: BenchDatabase,
  clients: number,
): Promise<{ held: Socket[]; refused: string[] }> {
  const target = targetOf(database, fleet.stack.endpoints.proxy.port);
  const held: Socket[] = [];
  const refused: string[] = [];
  let left = clients;
  async function come(): Promise<void> {
    while (left-- > 0)
      await rawLogin(target).then(
        (socket) => held.push(socket),
        (error: unknown) => refused.push(String(error)),
      );
  }
  await Promise.all(Array.from({ length: COMING }, come));
  return { held, refused };
}

/** Open-loop: as many a second, whatever becomes of them. @returns how many were sent, and let in. */
function flood(fleet: BenchFleet, database: BenchDatabase) {
  const target = { ...targetOf(database, fleet.stack.endpoints.proxy.port), secret: FALSE_SECRET };
  const began = performance.now();
  const counts = { sent: 0, letIn: 0 };
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1_000) * FALSE_PER_SECOND;
    for (; counts.sent < due; counts.sent++)
      rawLogin({ ...target, role: `role-${counts.sent}` }).then(
        (socket) => {
          counts.letIn += 1;
          socket.destroy();
        },
        () => undefined,
      );
  }, TICK_MS);
  return {
    counts,
    perSecond: () => (counts.sent / (performance.now() - began)) * 1_000,
    stop: () => clearInterval(timer),
  };
}

async function measure(fleet: BenchFleet, options: BenchOptions): Promise<BenchResult> {
  const { say, signal, times: clients = CLIENTS } = options;
  const [asleep, guessed, other] = [
    await fleet.create(),
    await fleet.create(),
    await fleet.create(),
  ];
  const before: number[] = [];
  for (const database of [asleep, guessed]) {
    // So that the proxy has heard of it, as of one that is in use.
    await visits(database.connection_string, 1, signal);
    before.push(await fleet.sleep(database));
  }
  const pid = fleet.stack.endpoints.processes['proxy'] ?? 0;
  await visits(other.connection_string, OTHERS / 3, signal);
  const quiet = await visits(other.connection_string, OTHERS, signal);
  const empty = await rssKb(pid);
  fleet.stack.kill('api', 'SIGSTOP');
  let held: Socket[] = [];
  try {
    const gathered = await gather(fleet, asleep, clients);
    ({ held } = gathered);
    for (const why of [...new Set(gathered.refused)].slice(0, 3)) say(`refused: ${why}`);
    await delay(SETTLE_MS);
    const open = held.filter((socket) => !socket.destroyed).length;
    const kb = ((await rssKb(pid)) - empty) / Math.max(1, open);
    say(`${open} clients are held, ${kb.toFixed(1)} KB each`);
    const flooding = flood(fleet, guessed);
    await delay(SETTLE_MS);
    const under = await visits(other.connection_string, OTHERS, signal);
    const perSecond = flooding.perSecond();
    flooding.stop();
    await delay(SETTLE_MS);
    const stillOpen = held.filter((socket) => !socket.destroyed).length;
    for (const socket of held) socket.destroy();
    fleet.stack.kill('api', 'SIGCONT');
    const isBack = ({ stale }: { readonly stale: boolean }): boolean => !stale;
    const after = (await fleet.client.waitFor(guessed.id, isBack, HOLD_MS)).epoch;
    const figures = {
      clients: stillOpen,
      kb_per_client: kb,
      others_p95_ratio: quantile(under, 0.95) / quantile(quiet, 0.95),
      false_per_s: perSecond,
      let_in: flooding.counts.letIn,
      woken: after - (before.at(-1) ?? 0),
      quiet_p95_ms: quantile(quiet, 0.95),
      others_p95_ms: quantile(under, 0.95),
    };
    const isWrong = figures.let_in > 0 || figures.woken > 0 || stillOpen < clients;
    return {
      figures,
      samples: { quiet, under },
      ...(isWrong ? { broken: 'somebody was let in, woken or sent away' } : {}),
    };
  } finally {
    fleet.stack.kill('api', 'SIGCONT');
    for (const socket of held) socket.destroy();
  }
}

export const hold: Bench = {
  name: 'hold',
  what: 'thousands of held clients and a flood of false proofs beside a login elsewhere',
  run: (options) => {
    const settings = { PILOTLIGHT_HOLD_MS: String(HOLD_MS), PILOTLIGHT_SLOTS: 'small=8' };
    const { say, signal } = options;
    return withBenchFleet({ hosts: 1, settings, say, signal }, (fleet) => measure(fleet, options));
  },
};
