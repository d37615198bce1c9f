/** A run: what it was started with, and how it ended. */
import type { Cold } from './pool.ts';

const statement = {
  name: 'run-find',
  text: `select run_id as run, verb, spec, outcome, ended_at is not null as ended from run where run_id = $1`,
};

export interface FoundRun {
  readonly run: string;
  readonly verb: string;
  readonly spec: unknown;
  readonly outcome: string | null;
  readonly ended: boolean;
}

export async function runFind(cold: Cold, run: string): Promise<FoundRun | undefined> {
  const rows = await cold.durable<FoundRun>(statement, [run]);
  return rows[0];
}
