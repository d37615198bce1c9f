/** Puts cold Postgres into a state and reads it back. */
import { openCold, type Cold } from '../../db/cold/pool.ts';
import { urlAs, type TestDatabase } from './database.ts';

/** As the role that the workers have, so that a missing grant is noticed. */
export const openTestCold = (database: TestDatabase, role = 'pilotlight_worker'): Cold =>
  openCold({
    url: urlAs(database, role),
    size: 4,
    name: 'test',
    onIdleError: () => undefined,
  });

export const ask = async <Row>(cold: Cold, text: string, values: readonly unknown[] = []) =>
  cold.durable<Row>({ name: '', text }, values);

export async function givenLive(cold: Cold, ids: readonly string[]): Promise<void> {
  await ask(
    cold,
    `insert into database (id, tenant, size, state, created_ms, event_id)
     select unnest($1::text[]), 'tenant', 'small', 'live', 0, 0`,
    [ids],
  );
}
