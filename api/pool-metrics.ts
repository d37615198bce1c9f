/** What the pool has and how long it lasts, of what the live hosts reported last: no query, and no scan. */
import { Gauge, type Registry } from 'prom-client';
import { autonomyMinutes, demandOf, type Demand } from '../model/autonomy.ts';
import type { Parts } from './context.ts';

const KINDS = ['vacant', 'warm', 'assigned'] as const;

export function addPoolMetrics(registry: Registry, { fleet, now }: Parts): void {
  const registers = [registry];
  const demand: { warm?: Demand; vacant?: Demand } = {};
  const autonomy = new Gauge({
    name: 'pilotlight_pool_autonomy_minutes',
    help: 'How long the slots of this kind last at the demand of late if nobody fills them up',
    labelNames: ['kind'],
    registers,
  });
  new Gauge({
    name: 'pilotlight_pool_slots',
    help: 'Slots of the live hosts by size and kind',
    labelNames: ['size', 'kind'],
    registers,
    collect() {
      this.reset();
      const stock = { vacant: 0, warm: 0, assigned: 0 };
      for (const [size, slots] of fleet.slots(now()).flatMap((host) => Object.entries(host)))
        for (const kind of KINDS) {
          this.inc({ size, kind }, slots[kind]);
          stock[kind] += slots[kind];
        }
      for (const kind of ['warm', 'vacant'] as const) {
        const latest = demandOf(demand[kind], fleet.taken()[kind], now() / 60_000);
        demand[kind] = latest;
        autonomy.set({ kind }, autonomyMinutes(stock[kind], latest));
      }
    },
  });
}
