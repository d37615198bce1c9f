/**
 * Takes back transitions that are past their deadline: a start becomes asleep again, a suspend
 * becomes running again, and the next sync of the host says what is true. Rows that someone works on
 * at this moment are skipped.
 *
 * It reads a page at a time, round and round: an index of deadlines would make every step of every
 * start and suspend write to all indexes of the table, and a database whose start outlived its caller
 * is started by the next caller anyway.
 */
import { callOf } from './function-call.ts';
import type { Hot } from './hot.ts';
import type { Swept } from './rows.ts';

/** Assignments in a page: 2 to 3 ms of work. */
const PAGE = 5_000;
/** Rows that are taken back at once; who finds so many stays on its page. */
const LATE_MAX = 500;

const statement = callOf('assignment_sweep', 3);

/**
 * @param after where the last page ended; '' = from the beginning.
 * @returns what was taken back, and where the next page begins.
 */
export async function assignmentSweep(
  hot: Hot,
  after: string,
): Promise<{ readonly swept: readonly Swept[]; readonly next: string }> {
  const rows = await hot.quick<Swept & { next: string }>(statement, [after, PAGE, LATE_MAX]);
  const swept = rows.filter((row) => row.database !== null);
  return { swept, next: swept.length === LATE_MAX ? after : (rows[0]?.next ?? '') };
}
