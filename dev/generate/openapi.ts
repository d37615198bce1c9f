/** Writes docs/openapi.json, the contract of the hot path, from the routes' own schemas. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROUTES } from '../../api/server.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { runMain } from '../../lib/shutdown.ts';
import { openapi } from './openapi-document.ts';

runMain('generate openapi', async () => {
  const text = `${JSON.stringify(openapi(ROUTES), null, 2)}\n`;
  await writeFile(join(PACKAGE_ROOT, 'docs', 'openapi.json'), text);
});
