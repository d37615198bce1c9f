/**
 * Claims a slot for a sleeping database: takes a vacant slot, else the room of a warm one, raises the
 * epoch (single flight and fence in one) and assigns it. Where there is no room nothing is written.
 * Migrations 0006 and 0007 have the statements.
 *
 * What was tried for the slot that is taken, one claim at a time among 1,000 vacant ones behind 50,000
 * dead rows of the same host, xmin held (two cores, Postgres 18.4, milliseconds a claim):
 *
 *   the lowest slot number             10.2   walks over all that is dead
 *   from a random slot number           5.5   walks over half of it
 *   a rising number, from where this
 *     process found the last one        0.34  each process has to remember, and to look back for what
 *                                             was vacated out of order
 *   a random place in a mixed order     0.39  this one: nothing to remember, any number of apis
 *
 * Start, running, suspend and suspended in a cycle, synchronous_commit=off: 1,700 to 2,300 cycles a second
 * one statement at a time (pgbench, 8 clients), 5,200 to 6,400 gathered (128 databases at once). A
 * fillfactor of 50, 70 or 100 for `database` made no difference to that, but 99.9, 99.7 and 97.6 % of
 * its updates were HOT; neither did autovacuum at a threshold of 1,000 rows, which is what keeps the
 * dead few at a million.
 */
import { callOf } from './function-call.ts';
import type { Gathered, Hot } from './hot.ts';
import type { StartCall, StartClaim } from './rows.ts';

export const start: Gathered = {
  one: callOf('database_start', 6),
  many: callOf('databases_start', 4),
  together: (calls) => [
    calls.map(([database]) => database),
    calls.map(([, hosts]) => (hosts as string[])[0]),
    ...(calls[0] ?? []).slice(2, 4),
  ],
};

/**
 * @returns undefined if the database was not there to be started: someone else was first, or nothing
 * is to be had above the floor.
 */
export async function databaseStart(hot: Hot, call: StartCall): Promise<StartClaim | undefined> {
  const { database, hosts, silent, deadlineMs, force, floor } = call;
  const values = [database, hosts, silent, deadlineMs, force, floor];
  if (!force && floor === null) return hot.gather<StartClaim>(start, values);
  return (await hot.quick<StartClaim>(start.one, values))[0];
}
