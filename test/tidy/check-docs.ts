/** Rules about documents: what they name exists, and what must be named is. */
import { dirname, join } from 'node:path/posix';
import { closureOf, isNodeModule, type Tree } from './graph.ts';
import { HOT_MAINS, MAINS, type Finding } from './rules.ts';

const documentsOf = (tree: Tree): [string, string][] =>
  [...tree.texts].filter(([path]) => path.endsWith('.md'));

/** What is in a fence is a program's output or input, not a link. */
const prose = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '');

/** The anchor that a heading gets where such files are shown. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replace(/ /g, '-');

const anchorsOf = (text: string): Set<string> =>
  new Set([...prose(text).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading ?? '')));

function isBrokenLink(tree: Tree, from: string, link: string): boolean {
  if (/^[a-z]+:/.test(link)) return false;
  const [file, anchor] = link.split('#');
  const path = file === '' ? from : join(dirname(from), file ?? '').replace(/\/$/, '');
  const text = tree.texts.get(path);
  if (text === undefined) return ![...tree.texts.keys()].some((p) => p.startsWith(`${path}/`));
  return anchor !== undefined && !anchorsOf(text).has(anchor);
}

/** Links between documents, anchors with them. Addresses of the web are not asked. */
export function checkLinks(tree: Tree): Finding[] {
  return documentsOf(tree).flatMap(([path, text]) =>
    [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link]) => link ?? '')
      .filter((link) => isBrokenLink(tree, path, link))
      .map((link) => ({ rule: 'links', path, text: `${link} leads nowhere` })),
  );
}

/** A path of the repository in backticks: `lib/config.ts`, or a folder of ours, `db/hot/`. */
const PATH = /`((?:[\w.-]+\/)+(?:[\w.-]+\.(?:ts|mjs|js|sql|md|json))?)`/g;

/** Files and folders that documents name in backticks, where their first folder is one of ours. */
function namedInDocument(tree: Tree, text: string): string[] {
  const paths = [...tree.texts.keys()];
  const folders = new Set(paths.map((path) => path.split('/')[0]));
  return [...prose(text).matchAll(PATH)]
    .map(([, named]) => named ?? '')
    .filter((named) => folders.has(named.split('/')[0]))
    .filter(
      (named) => !paths.some((p) => (named.endsWith('/') ? p.startsWith(named) : p === named)),
    );
}

/** Documents that code refers a reader to. */
const namedInCode = (tree: Tree, text: string): string[] =>
  (text.match(/(?:[\w-]+\/)*[\w-]+\.md\b/g) ?? []).filter((named) => !tree.texts.has(named));

/** Names of files that are not there. */
export function checkPaths(tree: Tree): Finding[] {
  const named = ([path, text]: [string, string]): string[] => {
    if (path.endsWith('.md')) return namedInDocument(tree, text);
    return /^(?!test\/tidy\/).*\.([cm]?[jt]s|sql)$/.test(path) ? namedInCode(tree, text) : [];
  };
  return [...tree.texts].flatMap((file) =>
    named(file).map((name) => ({ rule: 'paths', path: file[0], text: `there is no ${name}` })),
  );
}

const BOUNDARY = 'docs/boundary.md';

/** The first cell of each row, if it is in backticks. */
const rowsOf = (text: string): string[] =>
  [...text.matchAll(/^\| *`([^`]+)` *\|/gm)].map(([, cell]) => cell ?? '');

function mustBeNamed(tree: Tree): Set<string> {
  const endpoints = [...tree.sources.keys()].filter((path) =>
    /^api\/routes\/[^/]+\.ts$/.test(path),
  );
  const packages = HOT_MAINS.flatMap((main) =>
    [...closureOf(tree, main)]
      .filter(([to, chain]) => !tree.sources.has(to) && tree.sources.has(chain.at(-2) ?? ''))
      .map(([to]) => to)
      .filter((to) => !isNodeModule(to)),
  );
  return new Set([...endpoints, ...Object.keys(MAINS), ...packages]);
}

/** Every endpoint, process and package of the hot path has its row, and every row has its thing. */
export function checkBoundary(tree: Tree): Finding[] {
  const rows = rowsOf(tree.texts.get(BOUNDARY) ?? '');
  const must = mustBeNamed(tree);
  return [
    ...[...must]
      .filter((name) => !rows.includes(name))
      .map((name) => ({ rule: 'boundary', path: BOUNDARY, text: `has no row for ${name}` })),
    ...rows
      .filter((row) => !must.has(row))
      .map((row) => ({ rule: 'boundary', path: BOUNDARY, text: `${row} is not there (any more)` })),
  ];
}

const SPEC = 'docs/spec.md';

/** A proof in the spec: a test file, and the words that one of its tests has for its name. */
const PROOF = /`(test\/[^`]+\.test\.ts)`: "([^"]+)"/g;

/** Every invariant of the spec names tests, and each of them is there by that name. */
export function checkInvariants(tree: Tree): Finding[] {
  const rows = [...(tree.texts.get(SPEC) ?? '').matchAll(/^\| (I\d+) .*$/gm)];
  const numbers = rows.map(([, number]) => number);
  const proofs = rows.map(([row, n]) => ({ n, named: [...row.matchAll(PROOF)] }));
  const absent = proofs.flatMap(({ n, named }) =>
    named
      .filter(([, file, name]) => !tree.texts.get(file ?? '')?.includes(name ?? ''))
      .map(([, file, name]) => `${n}: ${file} has no test "${name}"`),
  );
  const texts = [
    ...(rows.length === 0 ? ['names no invariant'] : []),
    ...proofs.filter(({ named }) => named.length === 0).map(({ n }) => `${n} names no test`),
    ...numbers.filter((n, i) => numbers.indexOf(n) !== i).map((n) => `${n} is there twice`),
    ...absent,
  ];
  return texts.map((text) => ({ rule: 'invariants', path: SPEC, text }));
}

/** Nothing of the machine on which the lock file was written. */
export function checkLockFile(tree: Tree): Finding[] {
  const lock = tree.texts.get('package-lock.json') ?? '';
  return lock.includes('"resolved"')
    ? [{ rule: 'lock-file', path: 'package-lock.json', text: 'names where packages came from' }]
    : [];
}
