/**
 * Makes an index whole: one that is new and empty, or as it was an hour ago. What it is to know comes from
 * the volumes (documents, run records) and the hosts (slots); what it knows better it keeps. Nothing
 * else is needed, and running it again changes nothing.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { databaseCreateUndo } from '../../db/hot/database-create.ts';
import { hostSync } from '../../db/hot/host-sync.ts';
import type { Hot } from '../../db/hot/hot.ts';
import {
  generationRenew,
  rebuildIsEmpty,
  rebuildLook,
  rebuildOpen,
  rebuildShut,
  resyncAsk,
} from '../../db/hot/rebuild-gate.ts';
import {
  rebuildBehind,
  rebuildPage,
  rebuildStrangers,
  type RebuildItem,
} from '../../db/hot/rebuild-page.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { codeOf } from '../../model/errors.ts';
import { TENANT_LIMITS } from '../../model/limits.ts';
import {
  askHosts,
  hasDocument,
  readRange,
  volumesOf,
  type Listed,
  type Range,
  type RebuildHost,
  type Reports,
} from './volumes.ts';

/** What the index lacks for longer than this is not about to be told: agents report every second. */
const SETTLE_MS = 2_500;
/** While the stack serves, a statement may come too late: it is tried again so often. */
const TRIES = 5;
const RETRY_MS = 1_000;
/** Databases that are named; of the others only how many. */
const SAID_MAX = 20;

export interface RebuildOptions {
  readonly hot: Hot;
  /** Brings the schema of this version. */
  readonly migrate: () => Promise<void>;
  readonly hosts: readonly RebuildHost[];
  /** Told in sentences what could not be reached or read, and what is done. */
  readonly say: (line: string) => void;
}

export interface RebuildResult {
  /** Documents without a tombstone. */
  readonly databases: number;
  readonly tenants: number;
  /** What hosts that answer run. */
  readonly running: number;
  /** Documents with one. */
  readonly deleted: number;
  readonly made: number;
  readonly newer: number;
  readonly raised: number;
  /** Hosts that do not answer. */
  readonly unreachable: number;
  /** What is not in the index for that reason, or any other. */
  readonly missing: number;
}

interface Work extends RebuildOptions {
  readonly volumes: readonly (readonly RebuildHost[])[];
  readonly count: { -readonly [K in keyof RebuildResult]: RebuildResult[K] };
  readonly tenants: Set<string>;
  /** Hosts that have been on a volume that was read. */
  readonly known: Set<string>;
  /** The apis are kept out, and whoever reads events knows this for another index. */
  shut: boolean;
}

/** Every statement here may be repeated. @throws the last error. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES || codeOf(error) !== 'unavailable') throw error;
      await pause(RETRY_MS);
    }
  }
}

function itemOf({ identity, run, purged, host }: Listed): RebuildItem {
  const defaults: Readonly<Record<string, number>> = TENANT_LIMITS;
  const own = Object.entries(identity.limits).filter(([name, limit]) => limit !== defaults[name]);
  return {
    doc: identity,
    limits: Object.fromEntries(own),
    ...(run ?? { host, epoch: 0, released: false }),
    purged,
  };
}

const itemsOf = ({ listed }: Range): RebuildItem[] => listed.map(itemOf);

/** Before the first row changes: what follows is told under the name of another index. */
async function shut(work: Work): Promise<void> {
  await again(() => rebuildShut(work.hot));
  await again(() => generationRenew(work.hot));
  work.shut = true;
  work.say(
    'the index knows less than the volume: until it is whole the apis go by the volume alone',
  );
}

/** Whether it lacks something of this range that it is not just about to be told. */
async function isBehind({ hot, volumes }: Work, range: Range): Promise<boolean> {
  const first = await again(() => rebuildBehind(hot, itemsOf(range)));
  if (first.length === 0) return false;
  if (await again(() => rebuildIsEmpty(hot))) return true;
  await pause(SETTLE_MS);
  const items = itemsOf(await readRange(volumes, range.after));
  const then = new Set(await again(() => rebuildBehind(hot, items)));
  return first.some((id) => then.has(id));
}

/** Rows without a document: a create that came to nothing is taken back, anything else is missed. */
async function settleStrangers(work: Work, { after, upto, listed, damaged }: Range): Promise<void> {
  const { hot, volumes, count, say } = work;
  const known = [...listed.map(({ identity }) => identity.id), ...damaged];
  for (const { id, made } of await again(() => rebuildStrangers(hot, after, upto, known))) {
    if (await hasDocument(volumes, id)) continue;
    if (!made) {
      await again(() => databaseCreateUndo(hot, id));
      continue;
    }
    count.missing += 1;
    if (count.missing <= SAID_MAX) say(`no volume that was read has the document of ${id}`);
  }
}

function tally({ count, tenants, known, say }: Work, { listed, damaged, hosts }: Range): void {
  for (const { identity } of listed) {
    tenants.add(identity.tenant);
    if (identity.deleted_at === null) count.databases += 1;
    else count.deleted += 1;
  }
  for (const id of damaged.slice(0, SAID_MAX)) say(`the document of ${id} can not be read`);
  count.missing += damaged.length;
  for (const host of hosts) known.add(host);
}

async function takeRanges(work: Work): Promise<void> {
  const { hot, volumes, count } = work;
  let after: string | null = '';
  while (after !== null) {
    const range: Range = await readRange(volumes, after);
    if (!work.shut && (await isBehind(work, range))) await shut(work);
    const counts = await again(() => rebuildPage(hot, itemsOf(range)));
    count.made += counts.made;
    count.newer += counts.newer;
    count.raised += counts.raised;
    tally(work, range);
    await settleStrangers(work, range);
    after = range.upto;
  }
}

/** A host that is silent now is heard as soon as it speaks, though nothing has changed there. */
async function hearAll({ hot, hosts, known }: Work): Promise<void> {
  const all = new Set([...known, ...hosts.map(({ id }) => id)]);
  await again(() => resyncAsk(hot, [...all]));
}

async function takeSlots(work: Work): Promise<void> {
  const { hot, hosts, count } = work;
  await hearAll(work);
  for (const report of (await askHosts(hosts)).values()) {
    await again(() => hostSync(hot, report));
    count.running += report.slots.filter(({ state }) => state === 'running').length;
  }
}

function sayUnreachable({ hosts, known, count, say }: Work, reports: Reports): void {
  for (const host of hosts.filter((one) => !reports.has(one))) {
    count.unreachable += 1;
    const isRead = known.has(host.id);
    if (!isRead) count.missing += 1;
    say(
      isRead
        ? `${host.id} does not answer: its volume was read by others, and its slots count when it is back`
        : `${host.id} does not answer, and nobody else has read its volume: run this again when it is back`,
    );
  }
}

/** Brings the schema. An index without one, and one that an earlier run was cut off at, is shut from the start. */
async function begin(work: Work): Promise<void> {
  const { hot, migrate } = work;
  const { schema, open } = await again(() => rebuildLook(hot));
  if (!schema && open !== null) await again(() => rebuildShut(hot));
  await migrate();
  if (!schema && open === null) await again(() => rebuildShut(hot));
  if (schema && open === false) await again(() => generationRenew(hot));
  work.shut = !schema || open === false;
}

/**
 * @throws ConfigError if no host answers, before anything is changed; AppError if the index or a volume is lost
 * on the way: it is to be run again then.
 */
export async function rebuild(options: RebuildOptions): Promise<RebuildResult> {
  const { hot, hosts } = options;
  const reports = await askHosts(hosts);
  if (reports.size === 0)
    throw new ConfigError('no host answers: there is nothing to rebuild it of');
  const zero = { databases: 0, tenants: 0, running: 0, deleted: 0, made: 0, newer: 0, raised: 0 };
  const count = { ...zero, unreachable: 0, missing: 0 };
  const parts = {
    volumes: volumesOf(reports),
    tenants: new Set<string>(),
    known: new Set<string>(),
  };
  const work: Work = { ...options, ...parts, count, shut: false };
  await begin(work);
  await takeRanges(work);
  await takeSlots(work);
  if (work.shut) {
    await again(() => rebuildOpen(hot));
    // What was made meanwhile had no row yet when its host was heard.
    await hearAll(work);
  }
  sayUnreachable(work, reports);
  return { ...count, tenants: work.tenants.size };
}
