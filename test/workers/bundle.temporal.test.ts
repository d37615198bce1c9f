/** What the workflows' bundle holds, and what it must never hold. Needs no server. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { WORKFLOWS } from '../../model/cold/names.ts';
import { BUNDLE, ensureBundle, makeBundle } from '../../workers/bundle.ts';

/** Two thirds of it is Temporal's own. */
const BUNDLE_BYTES_MAX = 3 * 1024 * 1024;

let folder: string;
let code: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-bundle-'));
  await symlink(join(PACKAGE_ROOT, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  code = await readFile(await ensureBundle(), 'utf8');
});
afterAll(() => rm(folder, { recursive: true }));

async function bundleOf(...lines: string[]): Promise<string> {
  const path = join(folder, 'index.js');
  await writeFile(path, [...lines, 'export async function w() { await used(); }'].join('\n'));
  return makeBundle(path);
}

/** Not by `expect(code)`: what fails would be printed whole. */
const holds = (text: string): boolean => code.includes(text);

/** The files that webpack put into it, as it names them in its own comments and source map. */
const modulesOf = (text: string): string[] => [
  ...new Set([...text.matchAll(/^\/\*\*\*\/ "(.*?)":?/gm)].map(([, path]) => path ?? '')),
];

test('it exports every workflow that has a name', () => {
  const absent = Object.keys(WORKFLOWS).filter((type) => !holds(`async function ${type}(`));
  expect(absent).toEqual([]);
});

test('it holds nothing but workflows, model and what Temporal brings', () => {
  const foreign = modulesOf(code).filter(
    (path) =>
      !/(^|\/)(workflows|model)\//.test(path) &&
      !/node_modules\/(@temporalio|long|ms|nexus-rpc)\//.test(path) &&
      // What webpack put in the place of a module that is left out.
      !path.startsWith('?'),
  );
  expect(foreign).toEqual([]);
  expect(modulesOf(code).length).toBeGreaterThan(20);
});

test('no module of Node, no pg, no pino and no activity is in it, nor anything that looks secret', () => {
  for (const wrong of [
    /require\(["'](node:|fs|net|crypto|child_process|pg|pino)/,
    /node_modules\/(pg|pino|prom-client|express)\//,
    /\/activities\/\w+\.js"/,
    /BEGIN [A-Z ]*PRIVATE KEY|SCRAM-SHA-256\$\d|postgresql:\/\/\w+:\w+@/,
  ])
    expect(wrong.exec(code)?.[0]).toBeUndefined();
});

test('it is small, and made again only when something has changed', async () => {
  const { size, mtimeMs } = await stat(BUNDLE);
  expect(size).toBeLessThan(BUNDLE_BYTES_MAX);
  await ensureBundle();
  expect((await stat(BUNDLE)).mtimeMs).toBe(mtimeMs);
});

test('a workflow that imports a module of Node can not be bundled', async () => {
  const line = `import { readFile as used } from 'node:fs/promises';`;
  await expect(bundleOf(line)).rejects.toThrow(/fs/);
});

test('a workflow that reaches Postgres can not be bundled', async () => {
  const lines = [`import pg from 'pg';`, `const used = () => new pg.Client().connect();`];
  await expect(bundleOf(...lines)).rejects.toThrow(/bundle/);
});
