/**
 * From a proven login to a Postgres that is ready for its first query, within the hold: a remembered
 * route or a start, then the dial; a dead address is reported by its epoch and a newer one asked for.
 */
import type { Logger } from '../lib/log.ts';
import { AppError } from '../model/errors.ts';
import type { Address, Cause } from '../model/wire.ts';
import { pause } from './abort.ts';
import { dial, type DialResult } from './backend.ts';
import type { Peers } from './peers.ts';
import type { Login } from './startup.ts';
import type { Wait, Wakes, Woken } from './wake.ts';
import { encodeStartup } from './wire.ts';

/** Between dials of a Postgres that is not ready yet: from the first to all later ones. */
const DIAL_AGAIN_MS = { min: 5, max: 50 } as const;
/** How long a gate may be away, as one that is restarted is, before the database is looked for elsewhere. */
const UNREACHABLE_MS_MAX = 2_000;
/** Newer epochs that one login asks for before it gives up: Postgres dies as soon as it runs. */
const REDIALS_MAX = 3;

export type Reached = {
  readonly epoch: number;
  readonly address: Address;
  readonly coldStart: Wait;
} & Extract<DialResult, { kind: 'ready' | 'refused' }>;

export interface ReachOptions {
  readonly peers: Peers;
  readonly wakes: Wakes;
  readonly login: Login;
  readonly cause: Cause;
  readonly holdMs: number;
  readonly signal: AbortSignal;
  /** Told whenever an address is known. */
  readonly onWoken: () => void;
  readonly log: Logger;
}

function find(options: ReachOptions, staleEpoch: number, deadline: number): Woken | Promise<Woken> {
  const { wakes, login, signal } = options;
  const route = wakes.routeOf(login.database, staleEpoch);
  if (route !== undefined) return { ...route, coldStart: 'routed' };
  return wakes.start({
    database: login.database,
    cause: options.cause,
    staleEpoch,
    deadline,
    signal,
  });
}

/**
 * @throws AppError `waking` when the hold is over, `start_failed` when Postgres does not stay up or
 * does not let the proxy in, whatever the api refused with; the signal's reason when it is aborted.
 */
export async function reach(options: ReachOptions): Promise<Reached> {
  const { wakes, login, signal } = options;
  const deadline = performance.now() + options.holdMs;
  const startup = encodeStartup(login.parameters);
  let staleEpoch = 0;
  let againMs: number = DIAL_AGAIN_MS.min;
  let coldStart: Wait = 'routed';
  let unreachableSince: number | undefined;
  for (let redials = 0; redials <= REDIALS_MAX;) {
    const found = await find(options, staleEpoch, deadline);
    options.onWoken();
    const { address, epoch } = found;
    if (found.coldStart !== 'routed') coldStart = found.coldStart;
    const timeoutMs = Math.max(1, deadline - performance.now());
    const result = await dial({ peers: options.peers, address, startup, timeoutMs, signal });
    if (result.kind === 'ready' || result.kind === 'refused')
      return { ...result, address, epoch, coldStart };
    if (result.kind === 'unfit') {
      wakes.forget(login.database, epoch);
      options.log.error({ database: login.database, epoch, why: result.why }, 'can not enter');
      throw new AppError('start_failed');
    }
    unreachableSince =
      result.kind === 'unreachable' ? (unreachableSince ?? performance.now()) : undefined;
    const isLost = performance.now() - (unreachableSince ?? Infinity) > UNREACHABLE_MS_MAX;
    if (result.kind === 'gone' || isLost) {
      wakes.forget(login.database, epoch);
      staleEpoch = epoch;
      redials += 1;
      continue;
    }
    if (performance.now() + againMs > deadline) throw new AppError('waking');
    await pause(againMs, signal);
    againMs = Math.min(againMs * 2, DIAL_AGAIN_MS.max);
  }
  throw new AppError('start_failed', { detail: 'it ended as soon as it ran' });
}
