/** From samples by arm to the line of figures. Pure. */
import type { BenchResult } from '../harness.ts';
import { quantile } from '../stats.ts';

export const PLANES = ['ours', 'naive'] as const;
export type PlaneName = (typeof PLANES)[number];

/** `quiet`: all of it runs, idle; `storm`: the storm besides; `down`: the Temporal server was killed. */
export const STATES = ['quiet', 'storm', 'down'] as const;
export type StateName = (typeof STATES)[number];

export interface ArmName {
  readonly plane: PlaneName;
  readonly state: StateName;
}

export const ARMS: readonly ArmName[] = PLANES.flatMap((plane) =>
  STATES.map((state) => ({ plane, state })),
);

export const nameOf = ({ plane, state }: ArmName): string => `${plane} ${state}`;

/** What a caller waits at most, from its arrival. */
export const PATIENCE_MS = 5_000;

/** A start, from the moment at which it was due. */
export interface Sample {
  readonly ms: number;
  /** Undefined: it was answered. */
  readonly failed?: string;
}

export type Samples = Readonly<Record<string, readonly Sample[]>>;

/** Whom nobody answered has waited in vain for as long as a caller waits. */
const waited = ({ ms, failed }: Sample): number => (failed === undefined ? ms : PATIENCE_MS);

/** The bars of the design, section 4: `same`. */
const BARS = { storm_ratio_p95: 1.25, engine_down_ratio_p95: 1.1 } as const;

export function resultOf(samples: Samples): BenchResult {
  const of = (plane: PlaneName, state: StateName) => samples[nameOf({ plane, state })] ?? [];
  const at = (plane: PlaneName, state: StateName, q: number): number =>
    quantile(of(plane, state).map(waited), q);
  const ratio = (state: StateName, q: number): number =>
    at('ours', state, q) / at('ours', 'quiet', q);
  const failuresOf = (plane: PlaneName, state: StateName) =>
    of(plane, state).filter(({ failed }) => failed !== undefined);
  const success = (plane: PlaneName, state: StateName): number =>
    1 - failuresOf(plane, state).length / of(plane, state).length;
  const failed = STATES.flatMap((state) => failuresOf('ours', state));

  const figures = {
    storm_ratio_p95: ratio('storm', 0.95),
    storm_ratio_p99: ratio('storm', 0.99),
    engine_down_ratio_p95: ratio('down', 0.95),
    naive_storm_p99_ms: at('naive', 'storm', 0.99),
    ours_storm_p99_ms: at('ours', 'storm', 0.99),
    naive_success_engine_down: success('naive', 'down'),
    ours_failed: failed.length,
    ours_quiet_p95_ms: at('ours', 'quiet', 0.95),
    naive_quiet_p95_ms: at('naive', 'quiet', 0.95),
    naive_storm_p95_ms: at('naive', 'storm', 0.95),
    n: Math.min(...ARMS.map(({ plane, state }) => of(plane, state).length)),
  };
  const broken = [
    ...(failed.length === 0 ? [] : [`a start failed: ${failed[0]?.failed ?? ''}`]),
    ...Object.entries(BARS).flatMap(([name, bar]) =>
      figures[name as keyof typeof BARS] <= bar ? [] : [`${name} is above ${bar}`],
    ),
  ];
  return {
    samples: Object.fromEntries(
      Object.entries(samples).map(([arm, taken]) => [arm, taken.map(waited)]),
    ),
    figures,
    ...(broken.length === 0 ? {} : { broken: broken.join('; ') }),
  };
}
