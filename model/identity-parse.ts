/** Checks an identity document that came from a file or a request, field by field. */
import { isDatabaseId, isDirectoryId, isTenantName } from './ids.ts';
import type { Identity } from './identity.ts';
import { IDLE_MS_MAX } from './limits.ts';
import { isSizeName } from './sizes.ts';

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isString = (value: unknown): value is string => typeof value === 'string';
const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(isString);
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

const isRole = (value: unknown): boolean =>
  isRecord(value) &&
  isStrings(value['verifiers']) &&
  (value['login'] ?? false) === false &&
  typeof (value['valid_until'] ?? 0) === 'number';

const CHECKS: Readonly<Record<keyof Required<Identity>, (value: unknown) => boolean>> = {
  id: (v) => isString(v) && isDatabaseId(v),
  tenant: (v) => isString(v) && isTenantName(v),
  size: isSizeName,
  directory: (v) => isString(v) && isDirectoryId(v),
  version: (v) => isCount(v) && v > 0,
  roles: (v) => isRecord(v) && Object.values(v).every(isRole),
  authid_seen: (v) => v === undefined || (isRecord(v) && Object.values(v).every(isString)),
  idle_ms: (v) => isCount(v) && v <= IDLE_MS_MAX,
  idle_sessions: (v) => v === 'close' || v === 'keep',
  ignore: isStrings,
  allow: isStrings,
  tls: (v) => v === 'optional' || v === 'required',
  limits: (v) => isRecord(v) && Object.values(v).every((n) => typeof n === 'number'),
  labels: (v) => isRecord(v) && Object.values(v).every(isString),
  request: (v) => v === undefined || isString(v),
  created_at: isString,
  deleted_at: (v) => v === null || isString(v),
};

/**
 * Reads an identity document that came from a file or a request.
 * @returns the document, or the name of the first field that is wrong.
 */
export function parseIdentity(value: unknown): Identity | { readonly wrong: string } {
  if (!isRecord(value)) return { wrong: 'document' };
  for (const [field, check] of Object.entries(CHECKS)) {
    if (!check(value[field])) return { wrong: field };
  }
  return value as unknown as Identity;
}
