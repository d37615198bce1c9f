/**
 * npm run check: everything about the sources that can be judged without running the stack. Each
 * step is a line with its time; what a step has to say is shown only if it fails. All steps run, so
 * that one look shows all there is to mend. The last line counts them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const JEST = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'];

/** What is generated, and by which program (built by the step before `npm run check`). */
const GENERATED = [
  { file: 'docs/errors.md', program: 'dist/dev/generate/errors.js' },
  { file: 'docs/spec.md', program: 'dist/dev/generate/spec-table.js' },
  { file: 'docs/settings.md', program: 'dist/dev/generate/settings.js' },
  { file: 'docs/openapi.json', program: 'dist/dev/generate/openapi.js' },
  { file: 'db/hot/schema.sql', program: 'dist/dev/generate/schema.js' },
  { file: 'db/cold/schema.sql', program: 'dist/dev/generate/schema.js' },
];

/** Runs Node on a file of the repository. @returns what it said if it failed. */
function runNode(args) {
  const run = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
  if (run.status === 0) return undefined;
  return `${run.stdout}${run.stderr}${run.error?.message ?? ''}`;
}

/** A stack trace may quote a bundled file in one line. */
const LINE_LENGTH_MAX = 400;

const shown = (said) =>
  said
    .trim()
    .split('\n')
    .map((line) => `    ${line.slice(0, LINE_LENGTH_MAX)}`)
    .join('\n');

const textOf = (file) =>
  existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), 'utf8') : '';

/** Compares by content and not with git, so that a change on its way to a commit passes as well. */
function checkGenerated() {
  const said = [];
  for (const { file, program } of GENERATED) {
    const before = textOf(file);
    const failure = runNode([program]);
    if (failure !== undefined) said.push(failure);
    else if (textOf(file) !== before)
      said.push(`${file} was out of date and is made anew: look at it\n`);
  }
  return said.length === 0 ? undefined : said.join('');
}

const STEPS = {
  format: () => runNode(['node_modules/prettier/bin/prettier.cjs', '--check', '.']),
  lint: () => runNode(['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings']),
  types: () => runNode(['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']),
  tidy: () => runNode([...JEST, '--selectProjects', 'unit', '--testPathPatterns', 'test/tidy/']),
  compose: () =>
    runNode([...JEST, '--selectProjects', 'unit', '--testPathPatterns', 'test/compose/']),
  'dead code': () => runNode(['node_modules/knip/bin/knip.js']),
  generated: checkGenerated,
  coverage: () =>
    runNode([
      ...JEST,
      '--selectProjects',
      'unit',
      '--coverage',
      '--testPathPatterns',
      'test/(model|lib)/',
    ]),
};

function main() {
  let failed = 0;
  for (const [name, step] of Object.entries(STEPS)) {
    const began = Date.now();
    const said = step();
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    process.stdout.write(`${said === undefined ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n`);
    if (said === undefined) continue;
    failed++;
    process.stdout.write(`${shown(said)}\n`);
  }
  process.stdout.write(`check: ${Object.keys(STEPS).length - failed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

main();
