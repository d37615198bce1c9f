/**
 * Billing: periods, what one line costs, and the invoice. Whole numbers only: milliseconds, and
 * millionths of a currency unit. Rounded once per line, half to even. Months are those of UTC.
 */

export const HOUR_MS = 3_600_000;
/** A rollup of more is a mistake: it covers the longest month twice. */
const PERIOD_HOURS_MAX = 62 * 24;

/** Input of workflow `billingRollup`. Without a period: the hour before the scheduled time. */
export interface RollupInput {
  /** The period [from_ms, to_ms), milliseconds since the epoch; usage counts up to `to_ms`. */
  readonly from_ms?: number;
  readonly to_ms?: number;
  /** Who started it. Default `schedule`. */
  readonly initiator?: string;
}

export interface Period {
  readonly from_ms: number;
  readonly to_ms: number;
}

export interface RollupResult extends Period {
  readonly outcome: 'done' | 'aborted';
  /** Usage intervals that were looked at, and ledger lines that were written or removed. */
  readonly intervals: number;
  readonly lines: number;
}

/** Input of workflow `billingClose`. Without a month: the month before the scheduled time. */
export interface CloseInput {
  /** yyyy-mm */
  readonly month?: string;
  /** Writes what the invoices would be by now; closes nothing, and may be repeated at any time. */
  readonly draft?: boolean;
  readonly initiator?: string;
  /** Between two looks whether the relay has all events of the month, ms. Default 30,000. */
  readonly relay_look_ms?: number;
}

export interface CloseResult {
  readonly outcome: 'done' | 'aborted' | 'closed_before';
  readonly month: string;
  readonly invoices: number;
}

/** Where an activity that goes by pages is; null as the result's cursor: it is through. */
export interface RollupCursor {
  readonly database_id: string;
  readonly epoch: number;
}
export interface RollupPages {
  readonly after: RollupCursor | null;
  readonly intervals: number;
  readonly lines: number;
}

/** What activity `closeBegin` answers. */
export interface CloseBegun extends Period {
  /** False: the relay has not been through all events of the month yet. */
  readonly relayed: boolean;
  /** The month has been closed for good. */
  readonly closed: boolean;
  /** From here on the month is not in the ledger yet; null: all of it is. */
  readonly roll_from_ms: number | null;
}
export interface ClosePages {
  /** The last tenant that is done; null: all are. */
  readonly after: string | null;
  readonly invoices: number;
}

/** How far a worker's clock may lie behind the one that said `to_ms`. */
const CLOCKS_MS_MAX = 5_000;

/** @returns what is wrong with a period, or undefined. */
export function wrongPeriod(period: Period, nowMs: number): string | undefined {
  const { from_ms, to_ms } = period;
  if (!Number.isSafeInteger(from_ms) || !Number.isSafeInteger(to_ms) || from_ms < 0)
    return 'from_ms and to_ms must be whole milliseconds since the epoch';
  if (from_ms >= to_ms) return 'from_ms must lie before to_ms';
  if (to_ms > nowMs + CLOCKS_MS_MAX) return 'to_ms lies in the future';
  if (to_ms - from_ms > PERIOD_HOURS_MAX * HOUR_MS)
    return `a period has at most ${PERIOD_HOURS_MAX} hours`;
  return undefined;
}

/** The hour before the one that holds this moment. */
export function hourBefore(atMs: number): Period {
  const to = Math.floor(atMs / HOUR_MS) * HOUR_MS;
  return { from_ms: to - HOUR_MS, to_ms: to };
}

/** The month that holds this moment, yyyy-mm. */
export const monthOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 7);

export function monthBefore(atMs: number): string {
  const at = new Date(atMs);
  return monthOf(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 0));
}

/** @returns undefined if it is not a month as yyyy-mm, from 1970-01 on. */
export function monthPeriod(month: string): Period | undefined {
  const match = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(month);
  if (match === null) return undefined;
  const [year, index] = [Number(match[1]), Number(match[2]) - 1];
  if (year < 1970) return undefined;
  return { from_ms: Date.UTC(year, index), to_ms: Date.UTC(year, index + 1) };
}

/**
 * What so many milliseconds cost, in millionths, rounded half to even.
 * @throws if the result is no safe integer: a price or a usage that can not be.
 */
export function amountOf(ms: number, microPerHour: number): number {
  const product = BigInt(ms) * BigInt(microPerHour);
  const hour = BigInt(HOUR_MS);
  const whole = product / hour;
  const twice = (product % hour) * 2n;
  const up = twice > hour || (twice === hour && whole % 2n === 1n) ? 1n : 0n;
  const amount = Number(whole + up);
  if (!Number.isSafeInteger(amount)) throw new Error('BUG: an amount that is no safe integer');
  return amount;
}

/** What the ledger holds of one database and size in one month. */
export interface Usage {
  readonly month: string;
  readonly database: string;
  readonly size: string;
  readonly ms: number;
}

/** What has been charged for a month already, in all issued invoices. */
export interface Charged extends Usage {
  readonly amount_micro: number;
}

/** Micro-units per hour that hold from a month on. */
export interface Price {
  readonly size: string;
  readonly from_month: string;
  readonly micro_per_hour: number;
}

export interface InvoiceLine {
  readonly database: string;
  readonly size: string;
  readonly ms: number;
  readonly micro_per_hour: number;
  readonly amount_micro: number;
}

/** What an earlier month should have had more, or (negative) less. */
export interface Adjustment extends InvoiceLine {
  readonly month: string;
}

export interface Invoice {
  readonly version: 1;
  readonly tenant: string;
  readonly month: string;
  readonly state: 'draft' | 'issued';
  readonly lines: readonly InvoiceLine[];
  readonly adjustments: readonly Adjustment[];
  readonly sizes: readonly {
    readonly size: string;
    readonly ms: number;
    readonly amount_micro: number;
  }[];
  readonly total_ms: number;
  readonly total_micro: number;
}

export interface InvoiceParts {
  readonly tenant: string;
  readonly month: string;
  readonly state: Invoice['state'];
  /** Of this month, and of the closed months in which something came late. */
  readonly usage: readonly Usage[];
  readonly charged: readonly Charged[];
  readonly prices: readonly Price[];
}

/** @throws if a size has no price in that month: nothing is given away by mistake. */
export function priceOf(prices: readonly Price[], size: string, month: string): number {
  const [price] = prices
    .filter((row) => row.size === size && row.from_month <= month)
    .sort((a, b) => (a.from_month < b.from_month ? 1 : -1));
  if (price === undefined) throw new Error(`BUG: size ${size} has no price in ${month}`);
  return price.micro_per_hour;
}

const keyOf = (usage: Usage): string => `${usage.month} ${usage.database} ${usage.size}`;

const byKey = (a: readonly [string, unknown], b: readonly [string, unknown]): number =>
  a[0] < b[0] ? -1 : 1;

function linesOf(parts: InvoiceParts): InvoiceLine[] {
  return parts.usage
    .filter((usage) => usage.month === parts.month)
    .map((usage) => [keyOf(usage), usage] as const)
    .sort(byKey)
    .map(([, { database, size, ms }]) => {
      const micro_per_hour = priceOf(parts.prices, size, parts.month);
      return { database, size, ms, micro_per_hour, amount_micro: amountOf(ms, micro_per_hour) };
    });
}

/** What each line of an earlier month is now, less what has been charged for it. */
function adjustmentsOf(parts: InvoiceParts): Adjustment[] {
  const earlier = parts.usage.filter((usage) => usage.month !== parts.month);
  const now = new Map(earlier.map((usage) => [keyOf(usage), usage]));
  const before = new Map(parts.charged.map((charged) => [keyOf(charged), charged]));
  const all = [...new Map<string, Usage>([...before, ...now])].sort(byKey);
  return all
    .map(([key, { month, database, size }]) => {
      const micro_per_hour = priceOf(parts.prices, size, month);
      const ms = now.get(key)?.ms ?? 0;
      const charged = before.get(key);
      return {
        month,
        database,
        size,
        ms: ms - (charged?.ms ?? 0),
        micro_per_hour,
        amount_micro: amountOf(ms, micro_per_hour) - (charged?.amount_micro ?? 0),
      };
    })
    .filter((line) => line.ms !== 0 || line.amount_micro !== 0);
}

const sum = <T>(rows: readonly T[], of: (row: T) => number): number =>
  rows.reduce((total, row) => total + of(row), 0);

/** The invoice; the same parts in any order make the same invoice. */
export function invoiceOf(parts: InvoiceParts): Invoice {
  const lines = linesOf(parts);
  const adjustments = adjustmentsOf(parts);
  const all = [...lines, ...adjustments];
  const sizes = [...new Set(all.map((line) => line.size))].sort().map((size) => {
    const own = all.filter((line) => line.size === size);
    return { size, ms: sum(own, (l) => l.ms), amount_micro: sum(own, (l) => l.amount_micro) };
  });
  return {
    version: 1,
    tenant: parts.tenant,
    month: parts.month,
    state: parts.state,
    lines,
    adjustments,
    sizes,
    total_ms: sum(all, (line) => line.ms),
    total_micro: sum(all, (line) => line.amount_micro),
  };
}

/** The bytes that are stored and handed out. */
export const invoiceText = (invoice: Invoice): string =>
  `${JSON.stringify(invoice, undefined, 2)}\n`;
