/** What the invoices say of a real run, beside what an observer has seen of it. */
import { createJsonClient } from '../../lib/http-client.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { HOUR_MS, monthOf, type CloseResult, type Invoice } from '../../model/cold/billing.ts';
import { workflowId } from '../../model/cold/names.ts';
import type { Seen } from './observer.ts';
import { until, type ColdDatabase, type ColdStack } from './stack.ts';

const RELAY_MS_MAX = 60_000;
const WORKFLOW_MS_MAX = 120_000;

export interface Billed {
  /** Seconds by which the sum of a database's lines is wrong, for each edge of its intervals. */
  readonly invoice_diff_s: number;
  /** Seconds by which a single interval's start or end is wrong. */
  readonly edge_diff_s: number;
  readonly intervals: number;
  /** Intervals of which the observer saw nothing: shorter than the time between two of its looks. */
  readonly unseen: number;
}

/** A run of a database as the books have it. */
interface Booked {
  readonly database: string;
  readonly epoch: number;
  readonly from_ms: number;
  readonly to_ms: number | null;
}

async function bookedOf({ cold }: ColdStack): Promise<readonly Booked[]> {
  const rows = await cold(
    'select database_id, epoch::int, started_ms, ended_ms from usage_interval',
  );
  return rows.map(([database, epoch, from, to]) => ({
    database: String(database),
    epoch: Number(epoch),
    from_ms: Number(from),
    to_ms: to === null ? null : Number(to),
  }));
}

const keyOf = ({
  database,
  epoch,
}: {
  readonly database: string;
  readonly epoch: number;
}): string => `${database}.${epoch}`;

type Known = Seen & { readonly database: string };

/** Every incarnation that was seen is in the books, and all that is in them has its end. */
async function waitForEvents(stack: ColdStack, seen: readonly Known[]): Promise<readonly Booked[]> {
  let booked: readonly Booked[] = [];
  await until('all events are in cold Postgres', RELAY_MS_MAX, async () => {
    booked = await bookedOf(stack);
    const ended = new Set(booked.filter(({ to_ms }) => to_ms !== null).map(keyOf));
    return ended.size === booked.length && seen.every((one) => ended.has(keyOf(one)));
  });
  return booked;
}

async function invoiceAll({ cli, cold }: ColdStack, month: string): Promise<void> {
  const id = workflowId.billingClose(month);
  await cli.start('billingClose', id, { month, draft: true, initiator: 'bench' });
  await until('the invoices', WORKFLOW_MS_MAX, async () => (await cli.status(id)) === 'COMPLETED');
  const { outcome } = await cli.result<CloseResult>(id);
  const [row] = await cold('select count(*)::int from invoice where month = $1', [month]);
  if (outcome !== 'done' || row?.[0] === 0) throw new ConfigError('there are no invoices');
}

async function billedMs(
  { management }: ColdStack,
  tenants: readonly string[],
  month: string,
): Promise<ReadonlyMap<string, number>> {
  const client = createJsonClient(management.console.tokens['operator'] ?? '');
  const billed = new Map<string, number>();
  try {
    for (const tenant of tenants) {
      const url = `${management.console.url}/v1/invoices/${tenant}/${month}`;
      const { lines } = await client.call<Invoice>(url, { timeoutMs: 10_000 });
      for (const { database, ms } of lines) billed.set(database, (billed.get(database) ?? 0) + ms);
    }
  } finally {
    client.close();
  }
  return billed;
}

/** By how much the books and the observer differ on one edge, at most. */
function edgeDiffMs(seen: readonly Known[], booked: readonly Booked[]): number {
  const books = new Map(booked.map((one) => [keyOf(one), one]));
  return Math.max(
    ...seen.flatMap((one) => {
      const { from_ms, to_ms } = books.get(keyOf(one)) ?? { from_ms: NaN, to_ms: NaN };
      return [Math.abs(from_ms - one.from_ms), Math.abs(Number(to_ms) - one.to_ms)];
    }),
  );
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Everything is asleep: all intervals have ended. @param since when the first database was made. */
export async function compareInvoices(
  stack: ColdStack,
  databases: readonly ColdDatabase[],
  tenants: readonly string[],
  everything: readonly Seen[],
  since: number,
): Promise<Billed> {
  const month = monthOf(since);
  if (month !== monthOf(Date.now() + HOUR_MS / 60))
    throw new ConfigError('the month has ended meanwhile; run it again');
  const idOf = new Map(databases.map(({ id, directory }) => [directory, id]));
  const seen = everything.map((one) => ({ ...one, database: idOf.get(one.directory) ?? '' }));
  const booked = await waitForEvents(stack, seen);
  await invoiceAll(stack, month);
  const billed = await billedMs(stack, tenants, month);
  const perEdge = databases.map(({ id }) => {
    const own = seen.filter(({ database }) => database === id);
    const edges = 2 * booked.filter(({ database }) => database === id).length;
    const ms = sum(own.map(({ from_ms, to_ms }) => to_ms - from_ms));
    return Math.abs(ms - (billed.get(id) ?? 0)) / edges;
  });
  return {
    invoice_diff_s: Math.max(...perEdge) / 1000,
    edge_diff_s: edgeDiffMs(seen, booked) / 1000,
    intervals: booked.length,
    unseen: booked.length - seen.length,
  };
}
