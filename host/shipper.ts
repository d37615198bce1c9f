/**
 * Ships the journal to the hot database, through any api that answers, at least once and in order.
 * Another generation of the hot database (a rebuild, an old restore) gets everything again that is
 * still here: segments are kept for 48 h after their acknowledgement.
 */
import type { JsonClient } from '../lib/json-client.ts';
import type { Logger } from '../lib/log.ts';
import { AGENT_CALL_MS_MAX, EVENTS_PER_CALL_MAX } from '../model/limits.ts';
import type { AgentEvent, EventsAnswer } from '../model/wire.ts';
import type { Acknowledged, Journal } from './journal.ts';
import { isAfter } from './segments.ts';

export interface ShipperOptions {
  readonly journal: Journal;
  readonly host: string;
  readonly apiUrls: readonly string[];
  readonly client: JsonClient;
  readonly log: Logger;
}

export interface Shipper {
  /** Told by every answer to a sync: which hot database the apis speak for. */
  readonly sawGeneration: (generation: string) => void;
  readonly stop: () => Promise<void>;
}

/** After an append: more may follow at once. */
const COALESCE_MS = 200;
/** After a failure, or an answer that acknowledged nothing. */
const RETRY_MS = 2_000;
const NOTHING = { boot: 0, seq: 0 };

interface Shipping extends ShipperOptions {
  held: Acknowledged;
  stopped: boolean;
  /** Told once per outage. */
  failing: boolean;
  timer: NodeJS.Timeout | undefined;
  running: Promise<void> | undefined;
}

async function post(options: ShipperOptions, events: readonly AgentEvent[]): Promise<EventsAnswer> {
  let failure: unknown;
  for (const url of options.apiUrls) {
    try {
      return await options.client.call<EventsAnswer>(`${url}/v1/hosts/${options.host}/events`, {
        body: { events },
        timeoutMs: AGENT_CALL_MS_MAX,
      });
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** @returns true if more is there by now; what is appended from here on is shipped by its own call. */
async function shipBatch(shipping: Shipping): Promise<boolean> {
  const { journal } = shipping;
  await journal.flushed();
  const before = shipping.held;
  const events = await journal.after(before, EVENTS_PER_CALL_MAX);
  if (events.length === 0) return false;
  const { boot, seq, generation } = await post(shipping, events);
  // Of another hot database than the one that acknowledged what came before: all of it again.
  const moved = before.generation !== '' && before.generation !== generation;
  shipping.held = moved ? { ...NOTHING, generation } : { boot, seq, generation };
  await journal.acknowledge(shipping.held);
  if (!moved && !isAfter(shipping.held, before))
    throw new Error('nothing of a batch was acknowledged');
  return moved || events.length === EVENTS_PER_CALL_MAX;
}

async function ship(shipping: Shipping): Promise<void> {
  try {
    while (!shipping.stopped && (await shipBatch(shipping)));
    shipping.failing = false;
  } catch (error) {
    if (!shipping.failing)
      shipping.log.warn({ err: error }, 'events are not taken now: they are kept here');
    shipping.failing = true;
    schedule(shipping, RETRY_MS);
  }
}

function schedule(shipping: Shipping, ms: number): void {
  if (shipping.stopped || (shipping.timer !== undefined && ms > 0)) return;
  clearTimeout(shipping.timer);
  shipping.timer = setTimeout(() => {
    shipping.timer = undefined;
    shipping.running = (shipping.running ?? Promise.resolve()).then(() => ship(shipping));
  }, ms);
}

function sawGeneration(shipping: Shipping, generation: string): void {
  const { held, log } = shipping;
  if (held.generation === '' || held.generation === generation) return;
  log.info({ generation }, 'another hot database: shipping the journal again');
  shipping.held = { ...NOTHING, generation };
  schedule(shipping, 0);
}

async function stop(shipping: Shipping): Promise<void> {
  shipping.stopped = true;
  clearTimeout(shipping.timer);
  await shipping.running;
}

/** Begins to ship; goes on where the last agent of this host was acknowledged. */
export async function startShipper(options: ShipperOptions): Promise<Shipper> {
  const shipping: Shipping = {
    ...options,
    held: await options.journal.acknowledged(),
    stopped: false,
    failing: false,
    timer: undefined,
    running: undefined,
  };
  // A proxy may ask for what SQL has said as soon as the database is asleep.
  options.journal.onAppend(({ kind }) =>
    schedule(shipping, kind === 'roles_changed' ? 0 : COALESCE_MS),
  );
  schedule(shipping, 0);
  return {
    sawGeneration: (generation) => sawGeneration(shipping, generation),
    stop: () => stop(shipping),
  };
}
