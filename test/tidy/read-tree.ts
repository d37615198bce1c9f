/** Reads the repository for the rules: all text that is ours, and what npm's lock file says. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packagesOf, type Tree } from './graph.ts';
import { parseSource } from './source.ts';

const NOT_OURS = new Set(['node_modules', 'dist', '.git', '.pilotlight', 'coverage']);
const TEXT = /\.([cm]?[jt]s|json|md|sql)$/;
/** Documents lead to them; that they are there is all that is asked. */
const PICTURE = /\.png$/;

function* pathsBelow(root: string, folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (NOT_OURS.has(entry.name)) continue;
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* pathsBelow(root, path);
    else if (TEXT.test(path) || PICTURE.test(path) || !entry.name.includes('.', 1)) yield path;
  }
}

/** @param texts path → text; the sources among them are parsed. */
export function treeOf(texts: ReadonlyMap<string, string>): Tree {
  const sources = [...texts]
    .filter(([path]) => /\.[cm]?[jt]s$/.test(path))
    .map(([path, text]) => [path, parseSource(path, text)] as const);
  return {
    texts,
    sources: new Map(sources),
    packages: packagesOf(texts.get('package-lock.json') ?? '{"packages":{}}'),
  };
}

export function readTree(root: string): Tree {
  const paths = [...pathsBelow(root, '')];
  const textOf = (path: string): string =>
    PICTURE.test(path) ? '' : readFileSync(join(root, path), 'utf8');
  return treeOf(new Map(paths.map((path) => [path, textOf(path)])));
}
