/** Who may call the api, and the file that says so (docs/callers.md). */
import { z } from 'zod';
import { tenantName } from './words.ts';

/** Who may call what (design: callers). */
export const SCOPES = ['proxy', 'host', 'operator', 'cold', 'create'] as const;

/** An old token and the one that takes its place. */
const TOKENS_MAX = 2;

const caller = z.strictObject({
  name: z.string().min(1),
  scopes: z.array(z.enum(SCOPES)),
  tenants: z.array(tenantName).exactOptional(),
  sha256: z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(TOKENS_MAX),
});

const once = (all: readonly z.output<typeof caller>[]): boolean =>
  new Set(all.map(({ name }) => name)).size === all.length;

/** `{ "callers": [{ "name", "scopes", "tenants"?, "sha256": [] }] }` */
export const callersFile = z.object({ callers: z.array(caller).refine(once, 'a name twice') });
