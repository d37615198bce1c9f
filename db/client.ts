/** A single connection for programs that bring their own connection string (sql, demo, bench). */
import pg from 'pg';

export interface Client {
  readonly query: (
    text: string,
    params?: readonly unknown[],
  ) => Promise<{ readonly fields: readonly string[]; readonly rows: readonly unknown[][] }>;
  readonly end: () => Promise<void>;
}

/** What Postgres (or the proxy in its place) said; undefined for anything else. */
export interface PostgresError {
  readonly code: string;
  readonly severity: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

export function postgresErrorOf(error: unknown): PostgresError | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined;
  return {
    code: error.code ?? 'XX000',
    severity: error.severity ?? 'ERROR',
    message: error.message,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}

export interface ConnectOptions {
  readonly connectTimeoutMs?: number;
  readonly applicationName?: string;
  /** Called when the connection breaks while no query runs; without it that ends the process. */
  readonly onError?: (error: Error) => void;
}

/** @throws what pg throws: a DatabaseError with SQLSTATE, or a socket error. */
export async function connect(
  connectionString: string,
  options: ConnectOptions = {},
): Promise<Client> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 15_000,
    ...(options.applicationName === undefined ? {} : { application_name: options.applicationName }),
  });
  if (options.onError !== undefined) client.on('error', options.onError);
  await client.connect();
  return {
    async query(text, params) {
      const result = await client.query<unknown[]>({
        text,
        rowMode: 'array',
        ...(params === undefined ? {} : { values: [...params] }),
      });
      // Of several statements in one text, the last one's rows.
      const last = Array.isArray(result) ? (result as (typeof result)[]).at(-1) : result;
      if (last === undefined) return { fields: [], rows: [] };
      return { fields: last.fields.map((field) => field.name), rows: last.rows };
    },
    end: () => client.end(),
  };
}
