/** Activities of poolReplenishment: what is missing, and building it at one host. */
import { Context } from '@temporalio/activity';
import type { HotFunctions } from '../db/cold/hot-functions.ts';
import { poolTargetFind } from '../db/cold/pool-target-find.ts';
import type { Cold } from '../db/cold/pool.ts';
import type { JsonClient } from '../lib/json-client.ts';
import type { Logger } from '../lib/log.ts';
import {
  planRefill,
  WARM_PER_HOST_DEFAULT,
  type PoolBuild,
  type PoolBuilt,
  type PoolLook,
  type PoolPlan,
} from '../model/cold/pool.ts';
import { codeOf, ERRORS } from '../model/errors.ts';
import { AGENT_CALL_MS_MAX, POSTGRES_READY_MS_MAX } from '../model/limits.ts';
import type { SizeName } from '../model/sizes.ts';
import type { HostReport } from '../model/wire.ts';

export interface PoolActivitiesDeps {
  readonly cold: Cold;
  readonly hot: HotFunctions;
  readonly agents: JsonClient;
  readonly log: Logger;
  readonly draining: AbortSignal;
}

const HEARTBEAT_MS = 3_000;

/** Waits, but not longer than the activity may run. */
function pause(ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    AbortSignal.any([...signals]).addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Slots of a host that are vacant, from the end: starts and creates claim from the beginning. */
function vacantSlots(report: HostReport, size: SizeName): number[] {
  const taken = new Set(report.slots.filter((s) => s.size === size).map((s) => s.slot));
  const all = Array.from({ length: report.capacity[size] ?? 0 }, (_, i) => i + 1);
  return all.filter((slot) => !taken.has(slot)).reverse();
}

const isStock = (slot: HostReport['slots'][number], size: SizeName): boolean =>
  slot.size === size && (slot.state === 'warm' || slot.state === 'building');

const sumOf = (lanes: readonly PoolBuilt[]): PoolBuilt => ({
  built: lanes.reduce((sum, { built }) => sum + built, 0),
  failed: lanes.reduce((sum, { failed }) => sum + failed, 0),
});

export function createPoolActivities(deps: PoolActivitiesDeps) {
  async function plan(size: SizeName): Promise<PoolPlan> {
    const [stocks, target] = await Promise.all([deps.hot.pool(), poolTargetFind(deps.cold, size)]);
    const ofSize = stocks.filter((stock) => stock.size === size);
    return planRefill(ofSize, target ?? WARM_PER_HOST_DEFAULT);
  }

  /** One after the other until none of these slots is left; each takes some 200 ms. */
  async function buildSlots(wanted: PoolBuild, slots: number[], ended: () => boolean) {
    let built = 0;
    let failed = 0;
    for (let slot = slots.shift(); slot !== undefined && !ended(); slot = slots.shift()) {
      try {
        await deps.agents.call(`${wanted.url}/v1/warm`, {
          body: { size: wanted.size, slot },
          timeoutMs: POSTGRES_READY_MS_MAX,
        });
        built += 1;
      } catch (error) {
        const code = codeOf(error);
        if (code === 'internal') throw error;
        // A start was faster: the slot is in use, and nothing has failed.
        if (code !== 'slot_taken') failed += 1;
        deps.log.info({ code, retryable: ERRORS[code].retryable, slot }, 'a build failed');
      }
    }
    return { built, failed };
  }

  return {
    /** What is missing of a size. With `wait_ms` it looks again until something is. */
    async poolLook(look: PoolLook): Promise<PoolPlan> {
      const { cancellationSignal } = Context.current();
      const deadline = performance.now() + look.wait_ms;
      for (;;) {
        const found = await plan(look.size);
        const left = deadline - performance.now();
        const over = left <= 0 || cancellationSignal.aborted || deps.draining.aborted;
        if (found.hosts.length > 0 || over) return found;
        Context.current().heartbeat();
        await pause(Math.min(look.look_ms, left), cancellationSignal, deps.draining);
      }
    },

    /** Builds warm slots at one host. Cancelled, it answers what it has built until then. */
    async poolBuild(wanted: PoolBuild): Promise<PoolBuilt> {
      const { cancellationSignal } = Context.current();
      const report = await deps.agents.call<HostReport>(`${wanted.url}/v1/state`, {
        timeoutMs: AGENT_CALL_MS_MAX,
      });
      const stock = report.slots.filter((slot) => isStock(slot, wanted.size)).length;
      const missing = Math.max(0, Math.min(wanted.builds, wanted.target - stock));
      const slots = vacantSlots(report, wanted.size).slice(0, missing);
      const ended = (): boolean => cancellationSignal.aborted || deps.draining.aborted;
      // One build may take long; that this worker is dead is noticed sooner.
      const context = Context.current();
      const heartbeat = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
      try {
        const lanes = Array.from({ length: Math.max(1, wanted.at_once) }, () =>
          buildSlots(wanted, slots, ended),
        );
        return sumOf(await Promise.all(lanes));
      } finally {
        clearInterval(heartbeat);
      }
    },
  };
}

export type PoolActivities = ReturnType<typeof createPoolActivities>;
