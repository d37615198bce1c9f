/** What a driver is for `npm run drivers`: named cases, each with an outcome that can be compared. */

import { OWNER_DATABASE } from '../../model/ids.ts';

/** One of the two that are compared: Postgres itself, or a database behind the proxy. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** What a client names to get into the database `main`. */
  readonly database: string;
  /** File with the certificate that it shows (PEM). */
  readonly certificate: string;
  /** File with a certificate that it does not show. */
  readonly otherCertificate: string;
}

/** By case; what JSON can hold. */
export type Outcomes = Readonly<Record<string, unknown>>;

export interface Driver {
  readonly name: string;
  /** Runs all its cases, one after the other. */
  readonly run: (target: Target) => Promise<Outcomes>;
}

/** A driver that is not to be had here, and why. */
export interface Absent {
  readonly name: string;
  readonly absent: string;
}

export type Cases = Readonly<Record<string, (target: Target) => Promise<unknown>>>;

/** The outcome of a case that hangs: never right, not even with both. */
export const HUNG = 'it hung';
const CASE_MS_MAX = 10_000;

/** What a client is told of an error, but where in Postgres' sources it was thrown. */
const TOLD = ['name', 'code', 'severity', 'message', 'detail', 'hint'] as const;

export function failureOf(error: unknown): unknown {
  const fields = error as Partial<Record<(typeof TOLD)[number], unknown>>;
  return { failed: Object.fromEntries(TOLD.map((name) => [name, fields[name]])) };
}

async function outcomeOf(work: (target: Target) => Promise<unknown>, target: Target) {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve(HUNG), CASE_MS_MAX);
  });
  try {
    return await Promise.race([work(target), late]);
  } catch (error) {
    return failureOf(error);
  } finally {
    clearTimeout(timer);
  }
}

export async function runCases(cases: Cases, target: Target): Promise<Outcomes> {
  const outcomes: Record<string, unknown> = {};
  for (const [name, work] of Object.entries(cases)) outcomes[name] = await outcomeOf(work, target);
  return outcomes;
}

/** Without what differs between two servers that are both right: the port, and the name for `main`. */
export function comparable(outcome: unknown, target: Target): string {
  return JSON.stringify(outcome ?? null)
    .replaceAll(target.database, OWNER_DATABASE)
    .replaceAll(String(target.port), '<port>');
}

/** `10 MB`: one parameter, and one row. */
export const BIG = 'äx'.repeat(3_500_000);

const LINES = 50_000;
const LINES_PER_CHUNK = 500;

/** What is copied in, in the pieces in which it is written. */
export const COPY_LINES: readonly string[] = Array.from(
  { length: LINES / LINES_PER_CHUNK },
  (_, chunk) =>
    Array.from({ length: LINES_PER_CHUNK }, (__, line) => {
      const n = chunk * LINES_PER_CHUNK + line;
      return `${n}\tzeile ${n}\n`;
    }).join(''),
);
