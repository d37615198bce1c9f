/** The contract, as it was generated from these routes: docs/openapi.json. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { ok, route } from '../route.ts';

export const getOpenapi = route({
  method: 'get',
  path: '/openapi.json',
  scopes: [],
  summary: 'This contract.',
  handle: async () =>
    ok(JSON.parse(await readFile(join(PACKAGE_ROOT, 'docs', 'openapi.json'), 'utf8'))),
});
