/**
 * The door between the planes: the SQL functions of hot Postgres that role `pilotlight_cold`
 * may call (db/hot/migrations/0003_cold_role.sql, 0005_claim.sql). Nothing else of the hot database is to be had.
 */
import { openPool, runOn, type ColdOptions } from './pool.ts';

/** A row of the hot event table. `at` is in milliseconds since the epoch. */
export interface HotEvent {
  readonly id: number;
  readonly host_id: string;
  readonly boot: number;
  readonly seq: number;
  readonly kind: string;
  readonly at_ms: number;
  readonly database_id: string | null;
  readonly directory: string | null;
  readonly tenant: string | null;
  readonly epoch: number | null;
  readonly size: string | null;
  readonly reason: string | null;
  /** Who wanted it; null as well from a hot database that is older than this plane. */
  readonly cause: unknown;
  readonly sessions: unknown;
}

export interface HotEvents {
  readonly generation: string;
  readonly events: readonly HotEvent[];
}

/** Slots of one size on one host; a host without any slot has one row with size null. */
export interface HotPoolRow {
  readonly host_id: string;
  /** Where its agent answers. */
  readonly url: string;
  readonly cordoned: boolean;
  readonly size: string | null;
  readonly vacant: number;
  readonly warm: number;
  readonly assigned: number;
}

/** All throw AppError `unavailable` if hot Postgres is not there. */
export interface HotFunctions {
  /**
   * The oldest events that are still there, at most `most` (and at most 1,000), by id; and of which
   * hot database they are, as of the same moment.
   */
  readonly events: (most: number) => Promise<HotEvents>;
  /** Removes exactly these. @returns how many were there. */
  readonly eventsTaken: (ids: readonly number[]) => Promise<number>;
  readonly pool: () => Promise<HotPoolRow[]>;
  /**
   * Whether this host may be given work. From the answer on no claim takes a slot of a cordoned one;
   * what runs there goes on. @returns false for an unknown host.
   */
  readonly cordon: (host: string, cordoned: boolean) => Promise<boolean>;
  /** Names this hot database; changes when it is made anew. */
  readonly generation: () => Promise<string>;
  readonly close: () => Promise<void>;
}

const statements = {
  events: {
    name: 'cold-events',
    // Milliseconds are what agents write; `floor` so that no instant lies after the event.
    text: `
select g.generation, e.id, e.host_id, e.boot, e.seq, e.kind,
       floor(extract(epoch from e.at) * 1000)::bigint as at_ms,
       e.database_id, e.directory, e.tenant, e.epoch, e.size, e.reason,
       to_jsonb(e) -> 'cause' as cause, to_jsonb(e) -> 'sessions' as sessions
  from cold_generation() g(generation) left join cold_events($1) e on true
 order by e.id`,
  },
  taken: { name: 'cold-events-taken', text: 'select cold_events_taken($1) as n' },
  cordon: { name: 'cold-cordon', text: 'select cold_cordon($1, $2) as known' },
  pool: { name: 'cold-pool', text: 'select * from cold_pool()' },
  generation: { name: 'cold-generation', text: 'select cold_generation() as id' },
};

/** Below the role's own limit of 5 s, so that the session's setting is the one that holds. */
const STATEMENT_MS_MAX = 4_000;

/** @param options size counts against the role's connection limit of 8 over all worker processes. */
export function openHotFunctions(options: ColdOptions): HotFunctions {
  const pool = openPool({ ...options, statementTimeoutMs: STATEMENT_MS_MAX, settings: '' });
  const run = runOn(pool);
  return {
    async events(most) {
      const rows = await run<HotEvent & { generation: string }>(statements.events, [most]);
      const generation = rows[0]?.generation;
      if (generation === undefined) throw new Error('BUG: the hot database has no generation');
      // Without an event the generation comes in a row of its own, in which all else is null.
      return { generation, events: rows.filter((row) => Number.isInteger(row.id)) };
    },
    async eventsTaken(ids) {
      const rows = await run<{ n: number }>(statements.taken, [ids]);
      return rows[0]?.n ?? 0;
    },
    pool: () => run<HotPoolRow>(statements.pool, []),
    async cordon(host, cordoned) {
      const rows = await run<{ known: boolean }>(statements.cordon, [host, cordoned]);
      return rows[0]?.known ?? false;
    },
    async generation() {
      const rows = await run<{ id: string }>(statements.generation, []);
      const id = rows[0]?.id;
      if (id === undefined) throw new Error('BUG: the hot database has no generation');
      return id;
    },
    close: () => pool.end(),
  };
}
