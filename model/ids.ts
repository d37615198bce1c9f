/**
 * The names of things: what a database, a directory, a host, a tenant and a role may be called.
 * Random bytes come in as an argument, so that this file stays pure.
 */
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** Bytes needed for the 20 base32 characters (100 bits) of a database id. */
export const DATABASE_ID_BYTES = 13;
/** Bytes needed for the 16 base32 characters (80 bits) of a directory id. */
export const DIRECTORY_ID_BYTES = 10;

const DATABASE_ID = /^db-[a-z2-7]{20}$/;
const DIRECTORY_ID = /^[a-z2-7]{16}$/;
/** A DNS label (RFC 1035 section 2.3.1), so that ids can stand in host names and certificates. */
const DNS_LABEL = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Encodes bytes as lower-case base32 (RFC 4648 alphabet, no padding), cut to `length` characters. */
export function base32(bytes: Uint8Array, length: number): string {
  let bits = 0;
  let value = 0;
  let out = '';
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5 && out.length < length) {
      bits -= 5;
      out += BASE32[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  if (out.length < length)
    throw new Error(`BUG: ${bytes.length} bytes make no ${length} characters`);
  return out;
}

/** Makes a database id of at least `DATABASE_ID_BYTES` random bytes. */
export const databaseIdOf = (random: Uint8Array): string => `db-${base32(random, 20)}`;

/** Makes a directory id of at least `DIRECTORY_ID_BYTES` random bytes. */
export const directoryIdOf = (random: Uint8Array): string => base32(random, 16);

export const isDatabaseId = (value: string): boolean => DATABASE_ID.test(value);
export const isDirectoryId = (value: string): boolean => DIRECTORY_ID.test(value);
export const isHostId = (value: string): boolean => DNS_LABEL.test(value);
export const isTenantName = (value: string): boolean => DNS_LABEL.test(value);

/** The role that a create makes for the tenant, and the database that it owns. */
export const OWNER_ROLE = 'owner';
export const OWNER_DATABASE = 'main';
