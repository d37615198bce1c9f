/** Migrations: what a file may be called, and how large and how long one may be. */

/** The agent takes it in one call, and Postgres as one statement. */
export const MIGRATION_SQL_BYTES_MAX = 1024 * 1024;
/** The longest time-out that a migration may ask for, milliseconds. */
export const MIGRATION_MS_MAX = 3_600_000;

/** `0001_add_an_index.sql`: files are applied in the order of their numbers. */
const MIGRATION_NAME = /^[0-9]{4}_[a-z0-9_]{1,100}\.sql$/;

export const isMigrationName = (value: unknown): value is string =>
  typeof value === 'string' && MIGRATION_NAME.test(value);
