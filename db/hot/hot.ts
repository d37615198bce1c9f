/** What hot Postgres is to its statements. Types only. */

export type Values = readonly unknown[];

export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** One statement in two forms; the first value of a call is its database, and is in `many` but once. */
export interface Gathered {
  readonly one: Statement;
  /**
   * Waits for no lock. A row carries `nr`, the place of its call from 1; a call without a row, because
   * another transaction works on its database or for any other reason, is run again as `one`.
   */
  readonly many: Statement;
  /** The values of `many` of those of `one`; without it each is an array over the calls. */
  readonly together?: (calls: readonly Values[]) => Values;
}

export type Run = <Row>(statement: Statement, values: Values) => Promise<Row[]>;

/** @returns the call's first row, undefined without one. */
export type Gather = <Row>(gathered: Gathered, values: Values) => Promise<Row | undefined>;

export interface Hot {
  readonly quick: Run;
  /** `quick`, together with what else of the kind is asked for at once. */
  readonly gather: Gather;
  readonly durable: Run;
  readonly close: () => Promise<void>;
}

export interface HotOptions {
  readonly url: string;
  /** Connections of each pool. */
  readonly size: number;
  readonly onIdleError: (error: Error) => void;
  /** Told how long a statement took, waiting for a connection included. */
  readonly onTook?: (statement: string, ms: number) => void;
}
