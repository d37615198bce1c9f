/**
 * Connections to hot Postgres, and how its statements are run: by name, so that they are planned
 * once per connection, and with a generic plan, so that no statistics can flip it.
 *
 * Two pools, because a commit's durability is a setting of the session: `quick` for start and
 * suspend (the volume is the authority; what a crash of this server forgets, a sync repairs), and
 * `durable` for create, change and delete.
 */
import pg from 'pg';
import { errnoOf } from '../../lib/errno.ts';
import { AppError } from '../../model/errors.ts';
import { createBreaker, PROMPT_MS } from './breaker.ts';
import { createGather } from './gather.ts';
import type { Hot, HotOptions, Run, Statement } from './hot.ts';

/**
 * What the server says when it is not there, not ready or not writable (classes 08, 53, 57, 25006), and
 * when another has come in its place that is not made yet (no database, role, table or function).
 */
function isUnavailable(error: unknown): boolean {
  const code = errnoOf(error) ?? '';
  if (error instanceof pg.DatabaseError) return /^(08|28|3D|42P01|42883|53|57|25006)/.test(code);
  const said = error instanceof Error ? error.message : '';
  return code !== '' || /terminated|timeout|not queryable/i.test(said);
}

/** True if a row with the primary key of one of these constraints was there already. */
export function isDuplicateOf(error: unknown, ...constraints: readonly string[]): boolean {
  return (
    error instanceof pg.DatabaseError &&
    error.code === '23505' &&
    constraints.includes(error.constraint ?? '')
  );
}

/** A plan is made once, perhaps while a table is empty, and kept: it must be good at any size. */
const SETTINGS = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  idle_in_transaction_session_timeout: '5000',
};

/**
 * Milliseconds. A statement takes a few, and whoever asked has other ways while the index is away. Its
 * time-out and the second until a host's next report are together less than HOST_SILENT_MS.
 */
const PATIENCE = {
  connectionTimeoutMillis: 1_000,
  query_timeout: 2_000,
  statement_timeout: 1_800,
};

/**
 * Fails on a server that takes no writes, a standby or a full one: the first start without it makes what
 * it has stale, so that as a whole it counts as away.
 */
const LOOK = "select 1 / (current_setting('transaction_read_only') = 'off')::int";

export function openHot(options: HotOptions): Hot {
  const openPool = (synchronousCommit: 'on' | 'off', other: pg.PoolConfig = {}): pg.Pool => {
    const pool = new pg.Pool({
      connectionString: options.url,
      max: options.size,
      idleTimeoutMillis: 0,
      ...PATIENCE,
      ...other,
      application_name: 'pilotlight-api',
      options: Object.entries({ ...SETTINGS, synchronous_commit: synchronousCommit })
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
    });
    pool.on('error', options.onIdleError);
    return pool;
  };
  const pools = { quick: openPool('off'), durable: openPool('on') };

  // Two looks may be under way: one that hangs does not keep the next from seeing the server's return.
  const promptly = { max: 2, connectionTimeoutMillis: PROMPT_MS, query_timeout: PROMPT_MS };
  const looks = openPool('off', promptly);
  const breaker = createBreaker(
    () => looks.query(LOOK),
    () => performance.now(),
  );
  const runOn =
    (pool: pg.Pool): Run =>
    async <Row>(statement: Statement, values: readonly unknown[]) => {
      breaker.check();
      const began = performance.now();
      try {
        const result = await pool.query({ ...statement, values: [...values] });
        return result.rows as Row[];
      } catch (error) {
        if (isUnavailable(error)) throw new AppError('unavailable', { cause: error });
        throw error;
      } finally {
        options.onTook?.(statement.name, performance.now() - began);
      }
    };

  const quick = runOn(pools.quick);
  return {
    quick,
    gather: createGather(quick),
    durable: runOn(pools.durable),
    close: async () => {
      breaker.stop();
      await Promise.all([pools.quick, pools.durable, looks].map((pool) => pool.end()));
    },
  };
}

/** bigint comes from the wire as text; every number here stays far below 2^53. */
pg.types.setTypeParser(pg.types.builtins.INT8, Number);
