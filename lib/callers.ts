/** Who calls, and how a server learns of it. Types only. */

export interface Caller {
  readonly name: string;
  readonly scopes: readonly string[];
  /** The tenants whose databases it may see and change; undefined = all. */
  readonly tenants?: readonly string[];
  /** SHA-256 of its tokens in hex: two while one takes the other's place. */
  readonly sha256: readonly string[];
}

export interface TokenTable {
  /** @throws AppError `unauthenticated` without a known token, `forbidden` without one of `scopes`. */
  readonly check: (authorization: string | undefined, scopes: readonly string[]) => Caller;
}
