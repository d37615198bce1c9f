/** Who imports whom: between files of ours, and between npm packages as the lock file has them. */
import { dirname, join } from 'node:path/posix';
import { COMPUTED, type Source } from './source.ts';

/** What a rule looks at. Tests of the rules make small ones by hand. */
export interface Tree {
  readonly sources: ReadonlyMap<string, Source>;
  /** All text of the repository by path: sources, SQL, documents, settings. */
  readonly texts: ReadonlyMap<string, string>;
  /** npm package → what it depends on at run time. */
  readonly packages: ReadonlyMap<string, readonly string[]>;
}

export interface Edge {
  /** A path of ours, or the name of a package or of a module of Node. */
  readonly to: string;
  readonly kind: 'value' | 'type';
  readonly own: boolean;
}

/** `@scope/name/deep` → `@scope/name` */
function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

export const isNodeModule = (specifier: string): boolean => specifier.startsWith('node:');

/** Computed names are not here: a rule of their own forbids them. */
export function edgesOf(source: Source): Edge[] {
  const named = source.imports.filter(({ specifier }) => specifier !== COMPUTED);
  return named.map(({ specifier, kind }) => {
    const own = specifier.startsWith('.');
    const to = own ? join(dirname(source.path), specifier) : specifier;
    return { to: own || isNodeModule(to) ? to : packageOf(to), kind, own };
  });
}

/**
 * Everything that is loaded when `main` starts.
 * @returns path or package → the chain of imports that leads there, `main` first.
 */
export function closureOf(tree: Tree, main: string): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>([[main, [main]]]);
  for (const [path, chain] of found) {
    const source = tree.sources.get(path);
    const next =
      source === undefined
        ? (tree.packages.get(path) ?? [])
        : edgesOf(source).flatMap((edge) => (edge.kind === 'value' ? [edge.to] : []));
    for (const to of next) if (!found.has(to)) found.set(to, [...chain, to]);
  }
  return found;
}

/** The lock file's packages by name; of several versions all dependencies count. */
export function packagesOf(lockFile: string): Map<string, readonly string[]> {
  interface Entry {
    readonly dependencies?: Record<string, string>;
    readonly optionalDependencies?: Record<string, string>;
  }
  const lock = JSON.parse(lockFile) as { packages: Record<string, Entry> };
  const out = new Map<string, readonly string[]>();
  for (const [path, entry] of Object.entries(lock.packages)) {
    const name = path.split('node_modules/').at(-1) ?? '';
    const depends = [
      ...Object.keys(entry.dependencies ?? {}),
      ...Object.keys(entry.optionalDependencies ?? {}),
    ];
    if (name !== '') out.set(name, [...(out.get(name) ?? []), ...depends]);
  }
  return out;
}
