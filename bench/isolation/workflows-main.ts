/**
 * Every workflow of the cold plane at once, and again as soon as they have ended:
 * `node dist/bench/isolation/workflows-main.js <home> <temporal program> <address> <subjects> <storm>`.
 * SIGTERM: nothing more is started, and what runs may end. Says how many it has started of each type.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readEndpoints } from '../../dev/endpoints.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { createLogger } from '../../lib/log.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { monthPeriod } from '../../model/cold/billing.ts';
import { queueOf, workflowId, type WorkflowType } from '../../model/cold/names.ts';
import type { HostReport } from '../../model/wire.ts';
import { createCli, type TemporalCli } from '../cold/cli.ts';
import { MONTH, SIZE, type Subjects } from './subjects.ts';

const LOOK_MS = 250;
const CALL_MS = 30_000;
/** What still runs so long after the end of the storm is terminated. */
const DRAIN_MS = 30_000;
const INITIATOR = 'bench';
/** Runs of different storms have different names. */
const ROUNDS_MAX = 1_000;

interface Host {
  readonly url: string;
  readonly token: string;
}

/** Warm slots are emptied, so that there is something to build. */
async function emptyWarm(hosts: readonly Host[]): Promise<void> {
  for (const { url, token } of hosts) {
    const client = createJsonClient(token);
    try {
      const { slots } = await client.call<HostReport>(`${url}/v1/state`, { timeoutMs: CALL_MS });
      for (const { size, slot, state } of slots)
        if (state === 'warm')
          await client.call(`${url}/v1/recycle`, { body: { size, slot }, timeoutMs: CALL_MS });
    } finally {
      client.close();
    }
  }
}

async function writeMigration(folder: string, n: number): Promise<string> {
  const path = join(folder, `files-${n}`);
  await mkdir(path, { recursive: true });
  await writeFile(
    join(path, `${String(n).padStart(4, '0')}_fill.sql`),
    `create table fill_${n} as select i, md5(i::text) from generate_series(1, 20000) i;\n`,
  );
  return path;
}

interface Started {
  readonly type: WorkflowType;
  readonly id: string;
}

/** All six at once; a purge only as long as something is deleted. */
async function startAll(
  cli: TemporalCli,
  { folder, databases }: Subjects,
  deleted: string | undefined,
  n: number,
): Promise<readonly Started[]> {
  const start = async (type: WorkflowType, id: string, input: object): Promise<Started> => {
    await cli.run(
      ...['workflow', 'start', '--type', type, '--task-queue', queueOf(type)],
      // Of a deletion in the place of dispatch's own run, which waits for the end of the retention.
      ...['--workflow-id', id, '--id-conflict-policy', 'TerminateExisting'],
      ...['--input', JSON.stringify({ ...input, initiator: INITIATOR })],
    );
    return { type, id };
  };
  const name = `storm-${n}`;
  const half = databases.length / 2;
  const halves = [databases.slice(0, half), databases.slice(half)];
  const targets = n % 2 === 0 ? halves : halves.reverse();
  const run = { name, failures_allowed: 1_000 };
  const files = await writeMigration(folder, n);
  const starts = [
    start('fleetMigration', workflowId.fleetMigration(name), {
      ...{ ...run, targets: targets[0], folder: files, canary: 0, bake_ms: 0 },
    }),
    start('keyRotation', workflowId.keyRotation(name), {
      ...{ ...run, targets: targets[1], grace_ms: 500 },
    }),
    start('poolReplenishment', workflowId.poolReplenishment(name), { size: SIZE }),
    start('billingRollup', workflowId.billingRollup(name), { ...monthPeriod(MONTH) }),
    start('billingClose', workflowId.billingClose(name), { month: MONTH, draft: true }),
  ];
  if (deleted !== undefined)
    starts.push(
      start('databaseDeletion', workflowId.databaseDeletion(deleted), {
        database: deleted,
        retention_ms: 0,
      }),
    );
  return Promise.all(starts);
}

/** @returns those that run still when `ended` says so. */
async function allDone(
  cli: TemporalCli,
  started: readonly Started[],
  ended: () => boolean,
): Promise<readonly Started[]> {
  let left = started;
  while (left.length > 0 && !ended()) {
    const states = await Promise.all(left.map(({ id }) => cli.status(id)));
    left = left.filter((_, n) => states[n] === 'RUNNING');
    await delay(LOOK_MS);
  }
  return left;
}

runMain('workflows', async () => {
  const [home = '', program = '', address = '', file = '', storm = ''] = process.argv.slice(2);
  const endpoints = await readEndpoints(home);
  if (endpoints === undefined) throw new ConfigError('there is no stack in this home');
  const subjects = JSON.parse(await readFile(file, 'utf8')) as Subjects;
  const deleted = [...(subjects.deleted[Number(storm)] ?? [])];
  const cli = createCli(program, address);
  const shutdown = installShutdown(createLogger('workflows', 'warn'), 2 * DRAIN_MS);
  const counts: Record<string, number> = {};
  let stopping = false;
  let n = Number(storm) * ROUNDS_MAX;

  async function round(): Promise<readonly Started[]> {
    await emptyWarm(endpoints?.hosts ?? []);
    const started = await startAll(cli, subjects, deleted.shift(), (n += 1));
    for (const { type } of started) counts[type] = (counts[type] ?? 0) + 1;
    return started;
  }

  async function rage(): Promise<void> {
    let left = await round();
    process.stdout.write('raging\n');
    while (!stopping) {
      left = await allDone(cli, left, () => stopping);
      if (!stopping) left = await round();
    }
    const deadline = Date.now() + DRAIN_MS;
    const late = await allDone(cli, left, () => Date.now() > deadline);
    for (const { id } of late)
      await cli.run('workflow', 'terminate', '-w', id, '--reason', 'the storm is over');
    process.stdout.write(`${JSON.stringify({ ...counts, terminated: late.length })}\n`);
  }

  const raging = rage();
  shutdown.onStop('storm', async () => {
    stopping = true;
    await raging;
  });
  await raging;
});
