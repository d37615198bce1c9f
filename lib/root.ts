/** Where the package lies, whether this runs from the sources or from `dist/`. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @throws if no folder above `path` has a package.json. */
export function findRoot(path: string): string {
  let folder = dirname(path);
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`BUG: no package.json above ${path}`);
    folder = parent;
  }
  return folder;
}

export const PACKAGE_ROOT = findRoot(fileURLToPath(import.meta.url));
