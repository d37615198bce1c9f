/** A ledger of a test's own: runs as the relay would fold them, rollups, and activities. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { Cold } from '../../db/cold/pool.ts';
import { rollupBegin, rollupComplete, rollupPage } from '../../db/cold/rollup.ts';
import { usageSave } from '../../db/cold/usage-store.ts';
import { HOUR_MS, type Period, type RollupCursor } from '../../model/cold/billing.ts';
import { foldUsage, type UsageInterval } from '../../model/cold/usage.ts';
import { ask, openTestCold } from './cold.ts';
import { createColdTestDatabase } from './database.ts';

/** Where an activity runs as on a worker. What fails here is looked at by the tests. */
export const environment = (info: ConstructorParameters<typeof MockActivityEnvironment>[0] = {}) =>
  new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR', () => undefined) });

export const perform = <A extends readonly unknown[], R>(
  activity: (...args: [...A]) => Promise<R>,
  ...args: [...A]
): Promise<R> => environment().run(activity, ...args) as Promise<R>;

export interface Ledger {
  readonly cold: Cold;
  /** A run of a database; what is said of the same epoch again comes on top. */
  readonly ran: (
    id: string,
    epoch: number,
    startedMs: number,
    stoppedMs: number | null,
    tenant?: string | null,
  ) => Promise<void>;
  /** @returns how many lines were written. */
  readonly roll: (period: Period, limit?: number) => Promise<number>;
  /** A statement by the superuser. */
  readonly byHand: (text: string) => Promise<void>;
  /** Removes all but the schema. */
  readonly clear: () => Promise<void>;
  readonly end: () => Promise<void>;
}

const TABLES = `usage_interval, ledger_hour, ledger_line, billing_month, ledger_late, invoice,
  invoice_line, event_cursor, database`;

export async function createLedger(): Promise<Ledger> {
  const database = await createColdTestDatabase();
  const cold = openTestCold(database);

  async function byHand(text: string): Promise<void> {
    const admin = openTestCold(database, 'postgres');
    try {
      await ask(admin, text);
    } finally {
      await admin.close();
    }
  }

  /** As the relay would, of what was known before. */
  async function ran(
    id: string,
    epoch: number,
    startedMs: number,
    stoppedMs: number | null,
    tenant: string | null = 'acme',
  ): Promise<void> {
    const known = await ask<UsageInterval>(
      cold,
      `select database_id, epoch, tenant, size, started_ms, stopped_ms, next_ms, ended_ms, inferred
         from usage_interval where database_id = $1`,
      [id],
    );
    const base = { database_id: id, epoch, tenant, size: 'small' };
    const started = { ...base, kind: 'started' as const, at_ms: startedMs };
    const stopped =
      stoppedMs === null ? [] : [{ ...base, kind: 'stopped' as const, at_ms: stoppedMs }];
    await usageSave(cold.durable, foldUsage(known, [started, ...stopped]));
  }

  async function roll(period: Period, limit = 500): Promise<number> {
    const whole = { ...period, from_ms: Math.floor(period.from_ms / HOUR_MS) * HOUR_MS };
    await rollupBegin(cold, whole);
    let lines = 0;
    let after: RollupCursor | undefined = { database_id: '', epoch: 0 };
    while (after !== undefined) {
      const page: Awaited<ReturnType<typeof rollupPage>> = await rollupPage(
        cold,
        whole,
        after,
        limit,
      );
      lines += page.lines;
      after = page.after;
    }
    await rollupComplete(cold, whole);
    return lines;
  }

  return {
    cold,
    ran,
    roll,
    byHand,
    clear: () => byHand(`truncate ${TABLES} cascade`),
    async end() {
      await cold.close();
      await database.drop();
    },
  };
}
