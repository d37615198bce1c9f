/** Input that several endpoints share. zod is the one source of types, checks and the contract. */
import { z } from 'zod';
import { isTenantName } from '../model/ids.ts';
import { IDLE_MS_MAX } from '../model/identity.ts';

const NAME_MAX = 200;
const LIST_MAX = 100;

/** IPv4 or IPv6 with an optional prefix length. */
const CIDR = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);

export const tenantName = z.string().refine(isTenantName, 'must be a DNS label');

/** What of the identity document a caller may set and change. */
export const settings = {
  idle_ms: z.int().min(0).max(IDLE_MS_MAX),
  idle_sessions: z.enum(['close', 'keep']),
  ignore: z.array(z.string().max(NAME_MAX)).max(LIST_MAX),
  allow: z.array(CIDR).max(LIST_MAX),
  tls: z.enum(['optional', 'required']),
  labels: z.record(z.string().min(1).max(63), z.string().max(NAME_MAX)),
};

export const cause = z.strictObject({
  role: z.string().max(NAME_MAX).optional(),
  application_name: z.string().max(NAME_MAX).optional(),
  source: z.string().max(NAME_MAX).optional(),
});

export const epoch = z.int().min(1);
