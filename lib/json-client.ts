/** How our processes call each other. Types only: `http-client.ts` carries it out. */

export interface CallOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  readonly timeoutMs: number;
  readonly requestId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface JsonClient {
  /**
   * @throws AppError with the code the other side named; `unavailable` if it did not answer in time
   * or at all (then it may have done the work).
   */
  readonly call: <T>(url: string, options: CallOptions) => Promise<T>;
  readonly close: () => void;
}
