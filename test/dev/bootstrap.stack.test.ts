/** The pre-script in a small project of its own, whose only package is the installed compiler. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PACKAGE_ROOT } from '../../lib/root.ts';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let project: string;

const write = (name: string, content: unknown): Promise<void> =>
  writeFile(join(project, name), typeof content === 'string' ? content : JSON.stringify(content));

function bootstrap(): Promise<Ran> {
  const script = join(project, 'dev/bootstrap.mjs');
  return new Promise((resolve) => {
    execFile(process.execPath, [script], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const output = (file: string): Promise<string> => readFile(join(project, 'dist/lib', file), 'utf8');

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'pilotlight-bootstrap-'));
  await mkdir(join(project, 'dev'));
  await mkdir(join(project, 'lib'));
  await cp(join(PACKAGE_ROOT, 'dev/bootstrap.mjs'), join(project, 'dev/bootstrap.mjs'));
  // A package that hands on to the installed compiler: npm has nothing to fetch.
  await mkdir(join(project, 'packages/typescript/bin'), { recursive: true });
  const compiler = pathToFileURL(join(PACKAGE_ROOT, 'node_modules/typescript/bin/tsc')).href;
  await write('packages/typescript/package.json', {
    name: 'typescript',
    version: '7.0.2',
    type: 'module',
  });
  await write('packages/typescript/bin/tsc', `await import(${JSON.stringify(compiler)});\n`);
  const devDependencies = { typescript: 'file:packages/typescript' };
  await write('package.json', { name: 'small', type: 'module', devDependencies });
  await write('package-lock.json', {
    name: 'small',
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': { name: 'small', devDependencies },
      'node_modules/typescript': { resolved: 'packages/typescript', link: true },
      'packages/typescript': { version: '7.0.2', dev: true },
    },
  });
  await write('tsconfig.json', {
    compilerOptions: { target: 'es2022', module: 'nodenext', types: [], rootDir: '.' },
    include: ['lib', 'test'],
  });
  await write('tsconfig.build.json', {
    extends: './tsconfig.json',
    compilerOptions: { outDir: 'dist', incremental: true, tsBuildInfoFile: 'dist/.tsbuildinfo' },
    exclude: ['test'],
  });
  await write('lib/one.ts', 'export const one: number = 1;\n');
});

afterEach(() => rm(project, { recursive: true, force: true }));

test('installs and builds once, says so on standard error alone, and is silent and quick after', async () => {
  const first = await bootstrap();
  expect(first).toMatchObject({ code: 0, stdout: '' });
  expect(first.stderr).toContain('installing packages');
  expect(first.stderr).toContain('compiling');
  expect(await output('one.js')).toContain('export const one = 1;');

  const began = performance.now();
  expect(await bootstrap()).toEqual({ code: 0, stdout: '', stderr: '' });
  // 60 ms on an idle machine; tests run on busy ones.
  expect(performance.now() - began).toBeLessThan(1_000);
});

test('a changed source is compiled, and the output of a deleted one goes', async () => {
  await write('lib/two.ts', 'export const two: number = 2;\n');
  await bootstrap();
  await write('lib/one.ts', 'export const one: number = 11;\n');
  await utimes(join(project, 'lib/one.ts'), new Date(), new Date(Date.now() + 2_000));
  await rm(join(project, 'lib/two.ts'));
  expect(await bootstrap()).toMatchObject({ code: 0, stderr: 'pilotlight: compiling\n' });
  expect(await output('one.js')).toContain('one = 11');
  expect(await readdir(join(project, 'dist/lib'))).toEqual(['one.js']);
});

test('sources that do not compile stop the command with the compiler’s words', async () => {
  await write('lib/one.ts', 'export const one: number = "text";\n');
  const broken = await bootstrap();
  expect(broken.code).toBe(1);
  expect(broken.stderr).toContain('TS2322');
  expect(broken.stderr).toContain('the sources do not compile');
  // Not only once.
  expect((await bootstrap()).code).toBe(1);
});

test('of two commands at once one installs, and both end well', async () => {
  const both = await Promise.all([bootstrap(), bootstrap()]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  const said = both.map(({ stderr }) => stderr).join('');
  expect(said.match(/installing packages \(npm ci\)/g)).toHaveLength(1);
  expect(said.match(/compiling/g)?.length).toBeLessThanOrEqual(2);
});
