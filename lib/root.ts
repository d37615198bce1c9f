/** Where the package lies, whether this runs from the sources or from `dist/`. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('BUG: no package.json above this file');
    folder = parent;
  }
  return folder;
}

export const PACKAGE_ROOT = findRoot();
