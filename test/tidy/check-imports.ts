/** Who may import whom: per folder for each import, per process for all that it loads. */
import { closureOf, edgesOf, isNodeModule, type Edge, type Tree } from './graph.ts';
import { CLOSURE_LINES, FOLDERS, GENERATORS, MAINS, OUTSIDE, type Finding } from './rules.ts';
import type { Source } from './source.ts';

function folderOf(path: string): string | undefined {
  const parts = path.split('/').slice(0, -1);
  for (; parts.length > 0; parts.pop()) {
    const folder = parts.join('/');
    if (Object.hasOwn(FOLDERS, folder)) return folder;
  }
  return undefined;
}

const isBelow = (path: string, folders: readonly string[]): boolean =>
  folders.some((folder) => path.startsWith(`${folder}/`));

function mayImport(folder: string, edge: Edge): boolean {
  const rule = FOLDERS[folder];
  if (rule === undefined) return false;
  if (isNodeModule(edge.to)) return folder !== 'model';
  if (!edge.own) return rule.packages.includes(edge.to);
  return isBelow(edge.to, [
    folder,
    ...rule.own,
    ...(edge.kind === 'type' ? (rule.types ?? []) : []),
  ]);
}

function folderFindings(source: Source): Finding[] {
  const { path } = source;
  if (OUTSIDE.test(path)) return [];
  const folder = folderOf(path);
  if (folder === undefined)
    return [{ rule: 'folder', path, text: 'this folder has no line in test/tidy/rules.ts' }];
  return edgesOf(source)
    .filter((edge) => !mayImport(folder, edge))
    .map((edge) => ({ rule: 'folder', path, text: `${folder}/ may not import ${edge.to}` }));
}

/** Direct imports against the table of folders. */
export const checkFolders = (tree: Tree): Finding[] =>
  [...tree.sources.values()].flatMap(folderFindings);

/** What each process loads against what it must not reach. */
export function checkReach(tree: Tree): Finding[] {
  return Object.entries(MAINS).flatMap(([main, forbidden]) =>
    [...closureOf(tree, main)]
      .filter(([to]) => forbidden.some((f) => (f.endsWith('/') ? to.startsWith(f) : to === f)))
      .map(([, chain]) => ({ rule: 'reach', path: main, text: chain.join(' → ') })),
  );
}

/** The hot path stays small: lines of code in all that its main loads. */
export function checkClosureLines(tree: Tree): Finding[] {
  return CLOSURE_LINES.flatMap(({ main, below, lines: max }) => {
    const lines = [...closureOf(tree, main).keys()]
      .filter((path) => path.startsWith(below))
      .reduce((sum, path) => sum + (tree.sources.get(path)?.codeLines ?? 0), 0);
    const text = `loads ${lines} lines of code${below === '' ? '' : ` in ${below}`}, at most ${max}`;
    return lines > max ? [{ rule: 'closure-lines', path: main, text }] : [];
  });
}

const isTest = (path: string): boolean => path.endsWith('.test.ts');
const isRoot = (path: string): boolean =>
  Object.hasOwn(MAINS, path) || GENERATORS.test(path) || OUTSIDE.test(path);

/** Files that no process loads. Only for tests is not enough: they would test what nobody runs. */
export function checkDead(tree: Tree): Finding[] {
  const paths = [...tree.sources.keys()];
  const reached = new Set<string>();
  // Types count here: a file of nothing but types is never loaded, and yet in use.
  const visit = (path: string): void => {
    const source = tree.sources.get(path);
    if (source === undefined || reached.has(path)) return;
    reached.add(path);
    for (const edge of edgesOf(source)) visit(edge.to);
  };
  for (const path of paths) if (isRoot(path) && !path.startsWith('test/')) visit(path);
  for (const path of paths)
    if (isTest(path) || path.startsWith('test/support/')) {
      const source = tree.sources.get(path);
      for (const edge of source === undefined ? [] : edgesOf(source))
        if (edge.to.startsWith('test/')) visit(edge.to);
    }
  const dead = paths.filter((p) => !reached.has(p) && !isTest(p) && !p.startsWith('test/support/'));
  const absent = Object.keys(MAINS).filter((main) => !tree.sources.has(main));
  return [
    ...dead.map((path) => ({ rule: 'dead', path, text: 'no process needs it' })),
    ...absent.map((path) => ({
      rule: 'dead',
      path,
      text: 'is in the table of mains, but not there',
    })),
  ];
}

/** Cycles of loading: what is evaluated first would depend on who asks first. */
export function checkCycles(tree: Tree): Finding[] {
  const done = new Set<string>();
  const findings: Finding[] = [];
  const visit = (path: string, chain: readonly string[]): void => {
    const source = tree.sources.get(path);
    if (source === undefined || done.has(path)) return;
    const at = chain.indexOf(path);
    if (at >= 0) {
      findings.push({ rule: 'cycle', path, text: [...chain.slice(at), path].join(' → ') });
      return;
    }
    for (const edge of edgesOf(source)) if (edge.kind === 'value') visit(edge.to, [...chain, path]);
    done.add(path);
  };
  for (const path of tree.sources.keys()) visit(path, []);
  return findings;
}

/** Imports of ours that lead nowhere (the compiler does not look at tests' strings and at .mjs). */
export function checkResolves(tree: Tree): Finding[] {
  return [...tree.sources.values()].flatMap((source) =>
    edgesOf(source)
      .filter((edge) => edge.own && !tree.sources.has(edge.to))
      .map((edge) => ({ rule: 'resolves', path: source.path, text: `there is no ${edge.to}` })),
  );
}
