/** How the story goes on: the cold plane is lost for a while, and nothing hot notices. */
import { setTimeout as delay } from 'node:timers/promises';
import { createCli } from '../bench/cold/cli.ts';
import { createJsonClient } from '../lib/http-client.ts';
import type { JsonClient } from '../lib/json-client.ts';
import { AppError } from '../model/errors.ts';
import { monthOf, type CloseResult, type Invoice } from '../model/cold/billing.ts';
import { workflowId } from '../model/cold/names.ts';
import { WARM_PER_HOST_DEFAULT } from '../model/cold/pool.ts';
import type { HostReport } from '../model/wire.ts';
import { connect } from '../db/client.ts';
import type { Endpoints } from './endpoints.ts';
import type { FleetClient } from './fleet-client.ts';
import type { ManagementReady } from './management.ts';
import { alignTable } from './table.ts';

const TENANT = 'demo';
const CALL_MS = 5_000;
const BACK_MS_MAX = 60_000;
const LOOK_MS = 200;
const SLEEP_MS_MAX = 20_000;

export interface ManagementStage {
  readonly fleet: FleetClient;
  readonly endpoints: Endpoints;
  readonly management: ManagementReady;
  readonly say: (line: string) => void;
  /** Kills a process at once. @returns false if it is not known. */
  readonly kill: (name: string) => Promise<boolean>;
}

const msOf = async (work: () => Promise<unknown>): Promise<string> => {
  const began = performance.now();
  await work();
  return `${(performance.now() - began).toFixed(0)} ms`;
};

/** @returns seconds. @throws AppError `unavailable` if it does not come to that. */
async function until(what: string, holds: () => Promise<boolean>): Promise<string> {
  const began = performance.now();
  while (!(await holds().catch(() => false))) {
    if (performance.now() - began > BACK_MS_MAX)
      throw new AppError('unavailable', { detail: what });
    await delay(LOOK_MS);
  }
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

async function visit(url: string): Promise<void> {
  const client = await connect(url, { onError: () => undefined });
  await client.query('select 1');
  await client.end();
}

/** @returns false if the server is not ours to kill. */
async function loseTheServer(stage: ManagementStage): Promise<boolean> {
  const { fleet, say } = stage;
  const sleeping = await fleet.create({ tenant: TENANT, idle_ms: 3_600_000 });
  await fleet.suspend(sleeping.id, sleeping.epoch);
  await fleet.waitFor(sleeping.id, ({ state }) => state === 'suspended', SLEEP_MS_MAX);
  const killed = await stage.kill('temporal');
  if (killed) {
    say('the Temporal server is killed (kill -9); nobody manages anything now');
    say(`a sleeping database woke in ${await msOf(() => visit(sleeping.connection_string))}`);
    let made = '';
    const took = await msOf(async () => {
      made = (await fleet.create({ tenant: TENANT, idle_ms: 3_600_000 })).id;
    });
    say(`another was created in ${took}`);
    await fleet.remove(made);
  }
  await fleet.remove(sleeping.id);
  return killed;
}

async function warmSlots({ hosts }: Endpoints, clients: readonly JsonClient[]): Promise<number[]> {
  return Promise.all(
    hosts.map(async ({ url }, n) => {
      const report = await clients[n]?.call<HostReport>(`${url}/v1/state`, { timeoutMs: CALL_MS });
      return report?.slots.filter(({ state }) => state === 'warm').length ?? 0;
    }),
  );
}

async function replenished(stage: ManagementStage): Promise<string> {
  const { endpoints } = stage;
  const clients = endpoints.hosts.map(({ token }) => createJsonClient(token));
  try {
    return await until('the pool is replenished', async () => {
      const warm = await warmSlots(endpoints, clients);
      return warm.every((count) => count >= WARM_PER_HOST_DEFAULT);
    });
  } finally {
    for (const client of clients) client.close();
  }
}

async function invoiceOfNow({ management }: ManagementStage): Promise<Invoice> {
  const month = monthOf(Date.now());
  const id = workflowId.billingClose(month);
  const cli = createCli(management.program ?? 'temporal', management.address);
  await cli.start('billingClose', id, { month, draft: true, initiator: 'demo' });
  await until('the invoice', async () => (await cli.status(id)) === 'COMPLETED');
  await cli.result<CloseResult>(id);
  const client = createJsonClient(management.console.tokens['operator'] ?? '');
  try {
    const url = `${management.console.url}/v1/invoices/${TENANT}/${month}`;
    return await client.call<Invoice>(url, { timeoutMs: CALL_MS });
  } finally {
    client.close();
  }
}

const MICRO = 1_000_000;

/** The invoice as lines for people: the largest first. */
function invoiceTable(invoice: Invoice): readonly string[] {
  const lines = [...invoice.lines].sort((a, b) => b.ms - a.ms);
  const row = (what: string, ms: number, micro: number): (string | number)[] => [
    what,
    (ms / 1000).toFixed(1),
    (micro / MICRO).toFixed(6),
  ];
  return alignTable(
    [`invoice of ${invoice.tenant}, ${invoice.month} so far`, 'seconds', 'amount'],
    [
      ...lines.map(({ database, size, ms, amount_micro }) =>
        row(`${database} ${size}`, ms, amount_micro),
      ),
      row('in all', invoice.total_ms, invoice.total_micro),
    ],
  );
}

/** @returns the invoice as lines. */
export async function tellManagement(stage: ManagementStage): Promise<readonly string[]> {
  const { say, management } = stage;
  if (await loseTheServer(stage)) {
    const client = createJsonClient('');
    const url = `${management.worker_health_url}/readyz`;
    const cli = createCli(management.program ?? 'temporal', management.address);
    const back = await until('the Temporal server is back', async () => {
      await cli.schedules();
      await client.call(url, { timeoutMs: CALL_MS });
      return true;
    }).finally(client.close);
    say(`the Temporal server is back after ${back}, with its schedules`);
  } else say('the Temporal server is not ours to kill; that part is left out');
  say(`the pool is replenished after ${await replenished(stage)}`);
  return invoiceTable(await invoiceOfNow(stage));
}
