/** Everything comes to rest: what is broken then is broken for good. */
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../../model/errors.ts';
import { run } from '../support/rows.ts';
import { pendingOf, type Story } from './commands.ts';
import { brokenNow, differences, wrongViews } from './invariants.ts';
import * as verbs from './verbs.ts';

/** A start gives up after 30 s of the apis' clock, which runs ten times faster. */
const REST_MS_MAX = 12_000;
const LOOK_MS = 20;

async function syncAll({ world }: Story): Promise<void> {
  for (const api of world.apis)
    for (const host of world.hosts) {
      const report = host.report();
      if (report !== undefined) await verbs.sync(api, report);
    }
}

async function transitions({ world }: Story): Promise<string[]> {
  const rows = await run<{ id: string; state: string }>(
    world.hot,
    `select id, state from database where state in ('starting', 'suspending')`,
  );
  return rows.map(({ id, state }) => `${id} is still ${state}`);
}

/** @returns what does not hold, once nothing changes any more. */
async function untilAtRest(story: Story): Promise<string[]> {
  const deadline = performance.now() + REST_MS_MAX;
  // Twice in a row: a request of somebody who died may have arrived after the first look at its host.
  for (let quiet = 0; ;) {
    for (const host of story.world.hosts) await host.tick();
    for (const { context } of story.world.apis) await context.adopter.pay();
    await syncAll(story);
    const pending = pendingOf(story).map(({ what }) => `${what} has no end`);
    // A start that all have left goes on by itself.
    const flights = story.world.apis.some(({ context }) => context.starter.inFlight() > 0);
    if (flights) pending.push('a start is under way');
    // Whoever died left transitions behind; those of the living have ended by themselves.
    if (pending.length === 0) await story.world.expire();
    await syncAll(story);
    const wrong = [
      ...story.broken,
      ...pending,
      ...(await transitions(story)),
      ...(await differences(story.world)),
      ...wrongViews(story.world),
    ];
    quiet = wrong.length === 0 ? quiet + 1 : 0;
    if (quiet === 2 || performance.now() > deadline) return wrong;
    await sleep(LOOK_MS);
  }
}

const isDeleted = ({ world }: Story, id: string): boolean =>
  typeof world.volume.identity(id)?.deleted_at === 'string';

/** What the volume calls deleted, and nothing else, the index calls deleted. */
async function compareTombstones(story: Story): Promise<string[]> {
  const rows = await run<{ id: string; state: string }>(
    story.world.hot,
    'select id, state from database',
  );
  return rows
    .filter(({ id, state }) => (state === 'deleting') !== isDeleted(story, id))
    .map(({ id, state }) => `${id} is ${state}, and the volume says otherwise`);
}

/** Everyone who lives can be started and suspended, and who was deleted can not. */
async function useAll(story: Story): Promise<string[]> {
  const { world } = story;
  const rows = await run<{ id: string; state: string }>(
    world.hot,
    'select id, state from database order by id',
  );
  const wrong: string[] = [];
  for (const [i, { id, state }] of rows.entries()) {
    const api = world.apis[i % world.apis.length];
    if (api === undefined) continue;
    try {
      const answer = await verbs.start(api, id);
      if (isDeleted(story, id)) wrong.push(`${id} is deleted and was started`);
      if (answer.state !== 'running') wrong.push(`${id} is ${answer.state}`);
    } catch (error) {
      // Of a create that nobody heard of, and that came to nothing.
      const never = codeOf(error) === 'database_not_found' && !story.databases.includes(id);
      // Of a delete whose api died before the index heard of it: it has by now.
      const deleted = codeOf(error) === 'database_deleted' && isDeleted(story, id);
      if (!never && !deleted) wrong.push(`${id} was ${state} and can not start: ${codeOf(error)}`);
    }
  }
  return wrong;
}

async function suspendAll(story: Story): Promise<string[]> {
  const { world } = story;
  const rows = await run<{ id: string; epoch: number }>(
    world.hot,
    `select id, epoch from database where state = 'running'`,
  );
  const [api] = world.apis;
  if (api === undefined) return [];
  for (const { id, epoch } of rows) await verbs.suspend(api, id, epoch, false);
  const left = world.hosts.flatMap((host) => host.report()?.slots ?? []);
  return left.flatMap(({ database }) => (database === undefined ? [] : [`${database} still runs`]));
}

/** Opens every gate, mends every fault, boots every host, and looks. @returns what does not hold. */
export async function comeToRest(story: Story): Promise<string[]> {
  const { world } = story;
  world.busy.clear();
  for (const host of world.hosts) {
    host.faults.clear();
    if (host.report() === undefined) host.boot();
  }
  for (const { index } of world.apis) index.way = 'there';
  world.gates.openAll();
  for (const step of [
    untilAtRest,
    useAll,
    compareTombstones,
    untilAtRest,
    suspendAll,
    untilAtRest,
  ]) {
    const wrong = [...(await step(story)), ...(await brokenNow(world, story.minted))];
    if (wrong.length > 0) return [`${step.name}:`, ...wrong];
  }
  return [];
}
