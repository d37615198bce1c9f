/** Notes how a run ended; a run that is started again (retryFailed) may end again. */
import type { Cold } from './pool.ts';

const statement = {
  name: 'run-end',
  text: `update run set ended_at = now(), outcome = $2 where run_id = $1`,
};

/** @param outcome `done`, `aborted`, … */
export async function runEnd(cold: Cold, run: string, outcome: string): Promise<void> {
  await cold.durable(statement, [run, outcome]);
}
