/** After the faults: what was lost, what came back, and who says what of it. */
import { setTimeout as delay } from 'node:timers/promises';
import { createJsonClient } from '../../lib/http-client.ts';
import type { DatabaseAnswer } from '../../model/wire.ts';
import { openSession, within } from '../kills/session.ts';
import { findLeakedSlots } from '../kills/slots.ts';
import { judge } from '../kills/verdict.ts';
import { findOccupants } from '../../dev/occupants.ts';
import type { Watcher } from '../kills/watcher.ts';
import type { Figures } from '../harness.ts';
import { longestGap } from './availability.ts';
import type { Churned } from './churn.ts';
import type { Clients } from './clients.ts';
import type { Scene } from './faults.ts';
import type { Span } from './intervals.ts';
import { readJournals } from './journals.ts';
import { scheduledDown, spanOf, type Fault } from './plan.ts';
import { FLEET } from './stage.ts';
import { compareUsage, type Sightings } from './usage.ts';

export interface Story {
  readonly scene: Scene;
  readonly plan: readonly Fault[];
  readonly loads: readonly Clients[];
  readonly churned: Churned;
  readonly sightings: Sightings;
  readonly watcher: Watcher;
  /** The plan's beginning, by the clients' clock and by the wall's. */
  readonly shiftMs: number;
  readonly beganAt: number;
  /** When the clients stopped, by their clock. */
  readonly endedMs: number;
  readonly say: (line: string) => void;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

function longestUnavailable({ loads, churned, plan, shiftMs, endedMs, say }: Story): number {
  const down = scheduledDown(plan, FLEET);
  say(`all apis or all hosts were down by schedule at ${down.map(textOf).join(', ') || 'no time'}`);
  const kept = loads.map(({ id, availability, trouble }) => ({
    ...{ id, gaps: availability.gaps(endedMs), trouble: trouble() },
  }));
  let longest = 0;
  for (const { id, gaps, trouble } of [...kept, ...churned.lives]) {
    const inPlan = gaps.map(({ fromMs, toMs }) => ({
      ...{ fromMs: fromMs - shiftMs, toMs: toMs - shiftMs },
    }));
    const most = longestGap(inPlan, down);
    if (most.ms > TELL_MS)
      say(`${id} was away for ${seconds(most.ms)} s at ${textOf(most)}; last heard ${trouble}`);
    longest = Math.max(longest, most.ms);
  }
  return longest / 1000;
}

/** Shorter times are not worth a line. */
const TELL_MS = 5_000;

const textOf = ({ fromMs, toMs }: Span): string => `${seconds(fromMs)}-${seconds(toMs)} s`;

/** After a fault: a process is started again, and an agent looks at all that it has left. */
const BACK_MS = 10_000;

/** When a host's agent could note nothing, or noted by a clock that was wrong. */
function heldBy(
  { plan, beganAt }: Story,
  isSuch: (fault: Fault) => boolean,
): (host: string) => readonly Span[] {
  return (host) =>
    plan
      .filter(isSuch)
      // What has no names may be on any host.
      .filter(({ names }) => names.length === 0 || names.includes(host))
      .map(spanOf)
      .map(({ fromMs, toMs }) => ({ fromMs: beganAt + fromMs, toMs: beganAt + toMs + BACK_MS }));
}

/** Suspends all that runs, so that each has to start once more, and every interval has an end. */
async function suspendAll({ scene, loads, say }: Story): Promise<void> {
  const { api } = scene.stack.endpoints;
  const client = createJsonClient(api.tokens['operator'] ?? '');
  for (const { id } of loads)
    try {
      const url = `${api.url}/v1/databases/${id}`;
      const { state, epoch } = await client.call<DatabaseAnswer>(`${url}?awake=false`, {
        timeoutMs: 5_000,
      });
      if (state !== 'running') continue;
      await client.call(`${url}/suspend`, { body: { epoch }, timeoutMs: 40_000 });
    } catch (error) {
      say(`${id} was not suspended: ${String(error)}`);
    }
  client.close();
}

const CONNECTS_AT_ONCE = 8;

/** Deleted databases that let somebody in, or that a process works on. */
async function resurrected(story: Story, directoryOf: ReadonlyMap<string, string>) {
  const { scene, churned, say } = story;
  const busy = new Set(findOccupants(scene.directories).map(({ directory }) => directory));
  const left = [...churned.deleted];
  let count = 0;
  async function look(): Promise<void> {
    for (let one = left.pop(); one !== undefined; one = left.pop()) {
      const letsIn = await openSession(one.url, 'chaos').then(
        (client) => within(1_000, client.end()).then(() => true),
        () => false,
      );
      if (!letsIn && !busy.has(directoryOf.get(one.id) ?? '')) continue;
      count += 1;
      say(`${one.id} was deleted and is ${letsIn ? 'used' : 'running'} again`);
    }
  }
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, look));
  return count;
}

async function differenceOfJournals(story: Story): Promise<number> {
  const { scene, sightings, say } = story;
  const events = await readJournals(scene.stack.endpoints.volume);
  const seen = sightings.seen();
  const isClock = ({ verb }: Fault): boolean => verb === 'clock';
  const wrong = scene.clocks === undefined ? () => [] : heldBy(story, isClock);
  const away = heldBy(story, (fault) => !isClock(fault));
  const { edges, differences, largest, unjudged } = compareUsage({ events, seen, away, wrong });
  for (const { what, ms } of differences) say(`journal: ${what}: ${seconds(ms)} s too far`);
  if (unjudged > 0) say(`${unjudged} databases ran under a wrong clock, and are not compared`);
  say(`${events.length} events, ${edges} edges; the largest difference ${seconds(largest)} s`);
  return differences.reduce((sum, { ms }) => sum + ms, 0) / 1000;
}

/** The watcher looks every 25 ms; the last processes are seen to be gone by then. */
const LAST_LOOK_MS = 500;

export async function findings(story: Story): Promise<Figures> {
  const { scene, loads, churned, watcher, say } = story;
  const away = longestUnavailable(story);
  say('suspending all');
  await suspendAll(story);
  say('waking all');
  const verdicts = await Promise.all(loads.map((load) => judge(load.url, load.acknowledged)));
  for (const [i, { lost, starts }] of verdicts.entries())
    if (lost > 0 || !starts) say(`${loads[i]?.id}: lost ${lost}${starts ? '' : ', and no start'}`);
  await suspendAll(story);
  say(`comparing slots; looking at ${churned.deleted.length} deleted databases`);
  const leaked = await findLeakedSlots(scene.stack.endpoints);
  for (const line of leaked) say(`slot: ${line}`);
  await delay(LAST_LOOK_MS);
  const events = await readJournals(scene.stack.endpoints.volume);
  const directoryOf = new Map(
    events.flatMap(({ database, directory }) =>
      database === undefined ? [] : [[database, directory] as const],
    ),
  );
  const back = await resurrected(story, directoryOf);
  const journal_diff_s = await differenceOfJournals(story);
  const sum = (of: (load: Clients, i: number) => number): number =>
    loads.reduce((total, load, i) => total + of(load, i), 0);
  say(`the watcher looked ${watcher.looks()} times`);
  return {
    acknowledged: churned.acknowledged + sum(({ acknowledged }) => acknowledged.length),
    lost: churned.lost + sum((_, i) => verdicts[i]?.lost ?? 0),
    doubles: watcher.doubles(),
    longest_unavailable_s: away,
    journal_diff_s,
    unstartable: churned.unstartable + sum((_, i) => (verdicts[i]?.starts === true ? 0 : 1)),
    slots_leaked: leaked.length,
    resurrected: back,
    deleted: churned.deleted.length,
  };
}
