/**
 * Connections to cold Postgres, and how its statements are run: by name, so that they are planned
 * once per connection.
 *
 * Two pools, because a commit's durability is a setting of the session: `durable` for what is only
 * known here (events, invoices, who did what), `quick` for what a repeated step writes again (an
 * item claimed, a hold renewed, a ledger line of a rollup).
 */
import pg from 'pg';
import { AppError, codeOf } from '../../model/errors.ts';

export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** @throws AppError `unavailable` if the server is not there or not ready; else what Postgres said. */
export type Run = <Row>(statement: Statement, values: readonly unknown[]) => Promise<Row[]>;

export interface Cold {
  readonly quick: Run;
  readonly durable: Run;
  /** One durable transaction. Whatever `work` throws rolls it back; it is not tried again. */
  readonly transaction: <T>(work: (run: Run) => Promise<T>) => Promise<T>;
  readonly close: () => Promise<void>;
}

/**
 * What the server says when it is not there, not ready or not writable: classes 08, 53, 57, 25006;
 * and of class 40 what goes by itself when it is tried again.
 */
function isUnavailable(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return /^(08|40|53|57|25006)/.test(error.code ?? '');
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return (
    typeof code === 'string' ||
    (error instanceof Error && /terminated|timeout|not queryable/i.test(error.message))
  );
}

/** What a driver threw, as an AppError where it says that the server is not to be had. */
const translated = (error: unknown): unknown =>
  isUnavailable(error) ? new AppError('unavailable', { cause: error }) : error;

export interface ColdOptions {
  readonly url: string;
  /** Connections of each pool. */
  readonly size: number;
  /** Which process asks, as pg_stat_activity shows it. */
  readonly name: string;
  readonly onIdleError: (error: Error) => void;
}

export interface PoolOptions extends ColdOptions {
  /** `-c name=value` settings of each session. */
  readonly settings: string;
  readonly statementTimeoutMs: number;
}

export function openPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.size,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 5_000,
    statement_timeout: options.statementTimeoutMs,
    // The server's own time-out answers first, unless the server has gone silent.
    query_timeout: options.statementTimeoutMs + 1_000,
    application_name: `pilotlight-${options.name}`,
    options: options.settings,
  });
  pool.on('error', options.onIdleError);
  return pool;
}

type Queryable = Pick<pg.Pool, 'query'> | Pick<pg.ClientBase, 'query'>;

export const runOn =
  (on: Queryable): Run =>
  async <Row>(statement: Statement, values: readonly unknown[]) => {
    try {
      const result = await on.query({ ...statement, values: [...values] });
      return result.rows as Row[];
    } catch (error) {
      throw translated(error);
    }
  };

async function connected(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw translated(error);
  }
}

async function rolledBack(run: Run): Promise<boolean> {
  try {
    await run({ name: '', text: 'rollback' }, []);
    return true;
  } catch {
    return false;
  }
}

/** Folds a page of events or rates a page of databases: longer than a statement of the hot path. */
const STATEMENT_MS_MAX = 30_000;

export function openCold(options: ColdOptions): Cold {
  const open = (synchronousCommit: 'on' | 'off'): pg.Pool =>
    openPool({
      ...options,
      statementTimeoutMs: STATEMENT_MS_MAX,
      settings: `-c synchronous_commit=${synchronousCommit} -c idle_in_transaction_session_timeout=10000`,
    });
  const pools = { quick: open('off'), durable: open('on') };

  async function transaction<T>(work: (run: Run) => Promise<T>): Promise<T> {
    const client = await connected(pools.durable);
    const broke = (): void => undefined;
    // A connection that breaks between two statements is told by the next one.
    client.on('error', broke);
    const run = runOn(client);
    let usable = false;
    try {
      await run({ name: '', text: 'begin' }, []);
      const result = await work(run);
      await run({ name: '', text: 'commit' }, []);
      usable = true;
      return result;
    } catch (error) {
      // At once, so that its locks are free for whoever tries again.
      if (codeOf(error) !== 'unavailable') usable = await rolledBack(run);
      throw error;
    } finally {
      client.removeListener('error', broke);
      // A connection of which nobody knows what goes on in it is closed.
      client.release(!usable);
    }
  }

  return {
    quick: runOn(pools.quick),
    durable: runOn(pools.durable),
    transaction,
    close: async () => {
      await Promise.all([pools.quick.end(), pools.durable.end()]);
    },
  };
}

/** bigint comes from the wire as text; every number here stays far below 2^53. */
pg.types.setTypeParser(pg.types.builtins.INT8, Number);
