/** Who may log in to a tenant's Postgres from outside. */

/** The agent's own role inside every tenant's Postgres; tenants can never log in as it. */
export const SUPERUSER = 'pilot';
/** NAMEDATALEN - 1 of Postgres. */
const BYTES_MAX = 63;

/** A role that a client may name: anything Postgres takes as an identifier, but not the superuser. */
export function isTenantRole(value: string): boolean {
  const bytes = new TextEncoder().encode(value).length;
  return bytes > 0 && bytes <= BYTES_MAX && value !== SUPERUSER && !value.includes('\0');
}
