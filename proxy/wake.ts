/**
 * From a database's id to an address where its Postgres answers: remembered routes, and one start
 * call per database at a time for all who wait. Waiting is bounded in number and in time.
 */
import { AppError, codeOf, type ErrorCode } from '../model/errors.ts';
import { HELD_MAX, HELD_PER_DATABASE_MAX } from '../model/limits.ts';
import type { Address, Cause, ColdStart, StartAnswer, StartRequest } from '../model/wire.ts';
import { pause, unlessAborted } from './abort.ts';
import type { ApiClient } from './api-client.ts';
import { createLru } from './lru.ts';

const ROUTES_MAX = 50_000;
/** For the estimate that goes with a refusal. */
const ESTIMATE_MS_MAX = 500;
/** Between start calls for one database while the answer is "not yet". */
const RETRY_MS = 100;

export interface Route {
  readonly epoch: number;
  readonly address: Address;
}

/** `routed`: known without asking; the others as the api says them. */
export type Wait = 'routed' | ColdStart;

export interface Woken extends Route {
  readonly coldStart: Wait;
}

export interface WakeRequest {
  readonly database: string;
  readonly cause: Cause;
  /** The epoch whose address did not answer; 0 = none. */
  readonly staleEpoch: number;
  /** Monotonic milliseconds at which the hold is over. */
  readonly deadline: number;
  readonly signal: AbortSignal;
}

export interface Wakes {
  /** The remembered route, if it is newer than `staleEpoch`. */
  readonly routeOf: (database: string, staleEpoch: number) => Route | undefined;
  /** Where it was reached last, even if that is forgotten because it sleeps by now. */
  readonly lastRouteOf: (database: string) => Route | undefined;
  /**
   * Starts the database, or joins the start in progress.
   * @throws AppError `waking` when the hold is over, `too_many_clients` above the bounds, or what the
   * api refused with; the signal's reason when it is aborted.
   */
  readonly start: (request: WakeRequest) => Promise<Woken>;
  /** Forgets the route if it is still this epoch's. @returns what was forgotten. */
  readonly forget: (database: string, epoch: number) => Route | undefined;
  /** Takes a forgotten route back, unless a newer one is known. */
  readonly restore: (database: string, route: Route) => void;
  readonly held: () => number;
}

export interface WakesOptions {
  readonly api: Pick<ApiClient, 'call'>;
  readonly holdMs: number;
  /** Told of every start that was answered, even if all who waited have gone. */
  readonly onWoken: (database: string, woken: Woken) => void;
}

/** What time settles: asked again within the hold. Anything else is the client's answer. */
const SETTLES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'unavailable',
  'waking',
  'shutting_down',
  'previous_incarnation_alive',
  'held_elsewhere',
  'slot_taken',
  'stale_epoch',
  'identity_conflict',
  'fenced',
]);

/** How long the start probably takes yet, if the api said so. */
function estimateOf(error: unknown): number | undefined {
  const estimate = error instanceof AppError ? error.data?.['estimate_ms'] : undefined;
  return typeof estimate === 'number' ? estimate : undefined;
}

interface NotYet {
  readonly retryMs: number;
  readonly estimateMs: number | undefined;
}

const holdIsOver = (estimateMs: number | undefined): AppError =>
  new AppError('waking', estimateMs === undefined ? {} : { data: { estimate_ms: estimateMs } });

type Join = (request: WakeRequest) => { joined: boolean; answer: Promise<StartAnswer> };

/** At most one start call per database; whoever comes meanwhile joins it. */
function createFlights(
  options: WakesOptions,
  learn: (database: string, woken: Woken) => void,
): Join {
  const flights = new Map<string, Promise<StartAnswer>>();

  async function ask(request: WakeRequest): Promise<StartAnswer> {
    const body: StartRequest = {
      cause: request.cause,
      ...(request.staleEpoch === 0 ? {} : { stale_epoch: request.staleEpoch }),
      priority: 'demand',
      wait: true,
    };
    try {
      const path = `/v1/databases/${request.database}/start`;
      const answer = await options.api.call<StartAnswer>(path, { body, timeoutMs: options.holdMs });
      if (answer.state === 'running') {
        const { address, epoch, cold_start: coldStart } = answer;
        learn(request.database, { address, epoch, coldStart });
      }
      return answer;
    } finally {
      flights.delete(request.database);
    }
  }

  return function join(request) {
    const flight = flights.get(request.database);
    if (flight !== undefined) return { joined: true, answer: flight };
    const answer = ask(request);
    flights.set(request.database, answer);
    return { joined: false, answer };
  };
}

/** Counts who waits, per database and in all. */
function createHolds() {
  const perDatabase = new Map<string, number>();
  let all = 0;
  return {
    enter(database: string): void {
      const here = perDatabase.get(database) ?? 0;
      if (here >= HELD_PER_DATABASE_MAX || all >= HELD_MAX) throw new AppError('too_many_clients');
      perDatabase.set(database, here + 1);
      all += 1;
    },
    leave(database: string): void {
      const here = (perDatabase.get(database) ?? 0) - 1;
      if (here > 0) perDatabase.set(database, here);
      else perDatabase.delete(database);
      all -= 1;
    },
    count: () => all,
  };
}

/** How long a start in flight will probably take yet, as far as an api says so; for all who ask. */
function createEstimates(api: WakesOptions['api']) {
  const flights = new Map<string, Promise<number | undefined>>();

  async function ask(database: string): Promise<number | undefined> {
    try {
      const path = `/v1/databases/${database}/start`;
      const body: StartRequest = { priority: 'demand', wait: false };
      const answer = await api.call<StartAnswer>(path, { body, timeoutMs: ESTIMATE_MS_MAX });
      return answer.state === 'starting' ? answer.estimate_ms : undefined;
    } catch (error) {
      return estimateOf(error);
    }
  }

  return function estimate(database: string): Promise<number | undefined> {
    let flight = flights.get(database);
    if (flight === undefined) {
      flight = ask(database).finally(() => flights.delete(database));
      flights.set(database, flight);
    }
    return flight;
  };
}

/** Waits for start calls, own or joined, until one answers with an epoch that serves. */
function createHold(join: Join, estimate: (database: string) => Promise<number | undefined>) {
  async function once(request: WakeRequest, left: number): Promise<Woken | NotYet> {
    const { joined, answer } = join(request);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), left);
    });
    try {
      const found = await unlessAborted(Promise.race([answer, late]), request.signal);
      if (found?.state !== 'running') return { retryMs: RETRY_MS, estimateMs: found?.estimate_ms };
      // A call that was begun before the epoch was found dead may still have answered it.
      if (found.epoch <= request.staleEpoch)
        return { retryMs: joined ? 0 : RETRY_MS, estimateMs: undefined };
      const cold = found.cold_start;
      const coldStart = joined && cold === 'resume' ? 'joined' : cold;
      return { epoch: found.epoch, address: found.address, coldStart };
    } catch (error) {
      // Another's: whoever only joined asks for itself.
      const other = joined && codeOf(error) === 'backed_off';
      if (!(error instanceof AppError) || request.signal.aborted) throw error;
      if (!SETTLES.has(error.code) && !other) throw error;
      return { retryMs: RETRY_MS, estimateMs: estimateOf(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  return async function hold(request: WakeRequest): Promise<Woken> {
    let estimateMs: number | undefined;
    for (;;) {
      const left = request.deadline - performance.now();
      if (left <= 0) throw holdIsOver(estimateMs ?? (await estimate(request.database)));
      const result = await once(request, left);
      if ('epoch' in result) return result;
      estimateMs = result.estimateMs ?? estimateMs;
      const rest = request.deadline - performance.now();
      if (result.retryMs > 0 && rest > 0)
        await pause(Math.min(result.retryMs, rest), request.signal);
    }
  };
}

export function createWakes(options: WakesOptions): Wakes {
  const routes = createLru<Route>(ROUTES_MAX);
  const lasts = createLru<Route>(ROUTES_MAX);
  const holds = createHolds();

  function restore(database: string, route: Route): void {
    const before = routes.get(database);
    if (before === undefined || before.epoch < route.epoch) routes.set(database, route);
    if ((lasts.get(database)?.epoch ?? 0) < route.epoch) lasts.set(database, route);
  }

  const join = createFlights(options, (database, woken) => {
    restore(database, { epoch: woken.epoch, address: woken.address });
    options.onWoken(database, woken);
  });
  const hold = createHold(join, createEstimates(options.api));

  return {
    routeOf(database, staleEpoch) {
      const route = routes.get(database);
      return route !== undefined && route.epoch > staleEpoch ? route : undefined;
    },
    lastRouteOf: (database) => lasts.get(database),
    async start(request) {
      holds.enter(request.database);
      try {
        return await hold(request);
      } finally {
        holds.leave(request.database);
      }
    },
    forget(database, epoch) {
      const route = routes.get(database);
      if (route?.epoch !== epoch) return undefined;
      routes.delete(database);
      return route;
    },
    restore,
    held: holds.count,
  };
}
