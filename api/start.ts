/**
 * The start verb: a running database from memory, else one start in flight per database, which all
 * who ask meanwhile join. A start goes on when its callers have lost patience.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { within } from '../lib/within.ts';
import { AppError } from '../model/errors.ts';
import { STARTING_MS_MAX } from '../model/limits.ts';
import type { StartAnswer } from '../model/wire.ts';
import { attemptStart } from './attempt.ts';
import type { StartCall, Started, Starter, StarterDeps } from './context.ts';

const RETRY_MS = 25;
const RETRY_MS_MAX = 400;
/** What a first estimate says, before anything was measured. */
const ESTIMATE_MS = 50;
/** Weight of the newest wake in the estimate. */
const ESTIMATE_WEIGHT = 0.2;

async function fly(deps: StarterDeps, call: StartCall): Promise<Started> {
  const until = deps.now() + STARTING_MS_MAX;
  let wait = RETRY_MS;
  for (;;) {
    const started = await attemptStart(deps, call);
    if (started !== undefined) return started;
    if (deps.now() + wait > until) throw new AppError('waking');
    await pause(wait);
    wait = Math.min(wait * 2, RETRY_MS_MAX);
  }
}

const running = (
  { epoch, address }: Started,
  cold_start: StartAnswer['cold_start'],
): StartAnswer => ({ state: 'running', epoch, address, cold_start });

/** Demand never joins a start of maintenance, which may be refused for demand's own sake. */
const flightOf = ({ database, request }: StartCall): string =>
  `${database} ${request.priority ?? 'demand'}`;

export function createStarter(deps: StarterDeps): Starter {
  const flights = new Map<string, Promise<Started>>();
  let estimateMs = ESTIMATE_MS;

  /** Demand of tenants is within their limits; operators and maintenance have their own bounds. */
  const turnOf = async ({ database, force, request }: StartCall): Promise<() => void> =>
    force || request.priority === 'maintenance'
      ? () => undefined
      : deps.tenants.startTurn(database);

  async function measured(call: StartCall): Promise<Started> {
    let leave = (): void => undefined;
    try {
      leave = await turnOf(call);
      const begun = deps.now();
      const started = await fly(deps, call);
      estimateMs += ESTIMATE_WEIGHT * (deps.now() - begun - estimateMs);
      return started;
    } finally {
      leave();
      flights.delete(flightOf(call));
    }
  }

  function begin(call: StartCall): Promise<Started> {
    const flight = measured(call);
    flights.set(flightOf(call), flight);
    // Whoever still waits hears of a failure; a flight that all have left must not end the process.
    flight.catch(() => undefined);
    return flight;
  }

  function refuse(): never {
    throw new AppError('waking', { data: { estimate_ms: Math.ceil(estimateMs) } });
  }

  return {
    inFlight: () => flights.size,
    async start(call) {
      const dead = call.request.stale_epoch ?? 0;
      const known = deps.fleet.running(call.database);
      if (known !== undefined && known.epoch > dead) return running(known, 'running');
      deps.fleet.ended(call.database, dead);
      const existing = flights.get(flightOf(call));
      const flight = existing ?? begin(call);
      const cold_start = existing === undefined ? 'resume' : 'joined';
      if (call.request.wait === false)
        return { state: 'starting', cold_start, estimate_ms: Math.ceil(estimateMs) };
      return running(await within(flight, deps.patienceMs, refuse), cold_start);
    },
  };
}
