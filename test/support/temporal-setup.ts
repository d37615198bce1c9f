/**
 * Runs once before the tests of the project `temporal`: says in one line why they are skipped, or
 * makes the server where one is required (PILOTLIGHT_REQUIRE_TEMPORAL=1); then starts the Postgres
 * that the `db` project has too.
 */
import { findOrMake, type Found } from '../../dev/temporal/find.ts';
import startDatabaseServer from '../support/database-server.ts';
import { findTestBinary, isRequired, NO_STATE } from '../temporal/find.ts';

/** Who interrupts the tests ends a build with them. */
async function make(say: (line: string) => void): Promise<Found> {
  const aborter = new AbortController();
  const stop = (): void => aborter.abort();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const name of signals) process.once(name, stop);
  try {
    const { signal } = aborter;
    return await findOrMake({ folder: NO_STATE, given: '', marks: {}, say, signal });
  } finally {
    for (const name of signals) process.off(name, stop);
  }
}

export default async function setup(): Promise<void> {
  const found = await findTestBinary();
  if ('path' in found) return startDatabaseServer();
  const say = (line: string): void => void process.stderr.write(`temporal: ${line}\n`);
  if (!isRequired()) {
    say(`SKIPPED ${found.why}`);
    return;
  }
  const made = await make(say);
  if ('why' in made) throw new Error(`a Temporal server is required: ${made.why}`);
  return startDatabaseServer();
}
