/** Ids of new databases. With a key the id follows from it, so that a repeat can not make a second one. */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { AppError } from '../model/errors.ts';
import { DATABASE_ID_BYTES, databaseIdOf } from '../model/ids.ts';

/** Characters of an Idempotency-Key: a UUID, or a path of the caller's own. */
const KEY_MAX = 255;

export const randomId = (): string => databaseIdOf(randomBytes(DATABASE_ID_BYTES));

/** @throws AppError `bad_request` for a key that is empty or too long. */
export function keyedId(fleetSecret: string, tenant: string, key: string): string {
  if (key === '' || key.length > KEY_MAX)
    throw new AppError('bad_request', { detail: `a key has 1 to ${KEY_MAX} characters` });
  const text = JSON.stringify(['create', tenant, key]);
  return databaseIdOf(createHmac('sha256', fleetSecret).update(text).digest());
}

/** SHA-256 in hex of what a create asks for, however its labels were ordered. */
export function requestHash(spec: { readonly labels: Readonly<Record<string, string>> }): string {
  const labels = Object.entries(spec.labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify({ ...spec, labels }))
    .digest('hex');
}
