/** Breaks each rule on purpose, in a small repository that keeps them all. */
import { describe, expect, test } from '@jest/globals';
import { CHECKS } from './checks.ts';
import { treeOf } from './read-tree.ts';
import { MAINS } from './rules.ts';

type Files = Readonly<Record<string, string>>;

const lines = (count: number): string => 'f();\n'.repeat(count);

const boundary = (names: readonly string[]): string =>
  names.map((name) => `| \`${name}\` | why |\n`).join('');

function lock(packages: Readonly<Record<string, readonly string[]>>, more: object = {}): string {
  const entries = Object.entries(packages).map(([name, depends]) => [
    `node_modules/${name}`,
    { ...more, dependencies: Object.fromEntries(depends.map((d) => [d, '1'])) },
  ]);
  return JSON.stringify({ packages: Object.fromEntries(entries) });
}

/** In two halves, so that this file does not hold it. */
const WORD = ['TO', 'DO'].join('');

const API = `import express from 'express';\nimport { f } from '../lib/f.ts';\nf(express);\n`;
const LIB = `import { pure } from '../model/pure.ts';\nexport const f = () => pure();\n`;
const ROWS = [...Object.keys(MAINS), 'express'];

const KEPT: Files = {
  ...Object.fromEntries(Object.keys(MAINS).map((main) => [main, 'run();\n'])),
  'api/main.ts': API,
  'lib/f.ts': LIB,
  'model/pure.ts': `/** Says one. */\nexport const pure = () => 1;\n`,
  'test/lib/f.unit.test.ts': `import { f } from '../../lib/f.ts';\nf();\n`,
  'test/lib/g.unit.test.ts': `test('it is', () => undefined);\n`,
  'docs/boundary.md': boundary(ROWS),
  'docs/spec.md': `# Spec\n| I1 | it is | \`test/lib/g.unit.test.ts\`: "it is" |\n`,
  'README.md': `[spec](docs/spec.md#spec) and \`lib/f.ts\` in \`model/\`\n`,
  'package-lock.json': lock({ express: ['router'], router: [] }),
};

/** The rules that the small repository breaks after this change. */
function brokenBy(change: Files): string[] {
  const tree = treeOf(new Map(Object.entries({ ...KEPT, ...change })));
  const findings = Object.values(CHECKS).flatMap((check) => check(tree));
  return [...new Set(findings.map((finding) => finding.rule))].toSorted();
}

const NUMBERS = [1, 2, 3, 4, 5, 6];

/** Six files of 280 lines in `folder`, which the api loads. */
const six = (folder: string): Files => ({
  'api/main.ts': `${API}${NUMBERS.map((n) => `import '../${folder}/${n}.ts';\n`).join('')}`,
  ...Object.fromEntries(NUMBERS.map((n) => [`${folder}/${n}.ts`, lines(280)])),
});

const api = (line: string): Files => ({ 'api/main.ts': `${API}${line}\n` });
const lib = (line: string): Files => ({ 'lib/f.ts': `${LIB}${line}\n` });
const model = (line: string): Files => ({ 'model/pure.ts': `export const pure = 1;\n${line}\n` });

const BREAKS: readonly (readonly [string, readonly string[], Files])[] = [
  ['nothing is broken', [], {}],

  [
    'an import of a folder that is not in the table',
    ['folder', 'reach'],
    api(`import '../host/main.ts';`),
  ],
  [
    'the same for a type, which loads nothing',
    ['folder'],
    api(`import type { H } from '../host/main.ts';`),
  ],
  ['the same for a type in place', ['folder'], api(`type H = import('../host/main.ts').H;`)],
  [
    'the same for an export of what another has',
    ['folder', 'reach'],
    api(`export * from '../host/main.ts';`),
  ],
  ['the same at run time', ['folder', 'reach'], api(`await import('../host/main.ts');`)],
  [
    'the same as a thread or a child',
    ['folder', 'reach'],
    api(`new URL('../host/main.ts', import.meta.url);`),
  ],
  ['a package that is not in the table', ['folder'], { 'dev/main.ts': `import 'left-pad';` }],
  ['a module of Node in model/', ['folder'], model(`import 'node:fs';`)],
  [
    'a folder without a line in the table',
    ['folder'],
    {
      'elsewhere/a.ts': 'f();',
      'dev/check.mjs': `import '../elsewhere/a.ts';`,
    },
  ],

  [
    'a forbidden folder behind a file that may be loaded',
    ['reach'],
    { 'dev/sql.ts': `import './a.ts';`, 'dev/a.ts': `import '../host/main.ts';` },
  ],
  [
    'a forbidden package behind a package',
    ['reach'],
    {
      'package-lock.json': lock({ express: ['router'], router: ['@temporalio/client'] }),
    },
  ],

  ['too many lines in api/', ['closure-lines'], six('api')],
  [
    'too many lines behind the api',
    ['closure-lines'],
    {
      ...six('lib'),
      ...Object.fromEntries(
        NUMBERS.flatMap((n) => [
          [`lib/${n}.ts`, `import './${n}0.ts';\n${lines(270)}`],
          [`lib/${n}0.ts`, lines(270)],
        ]),
      ),
    },
  ],

  [
    'an import that leads nowhere',
    ['resolves'],
    { 'test/lib/f.unit.test.ts': `import './gone.ts';` },
  ],
  [
    'two files that import each other',
    ['cycle'],
    { ...lib(`import './g.ts';`), 'lib/g.ts': `import './f.ts';\ng();` },
  ],
  [
    'a file that only its test needs',
    ['dead'],
    {
      'lib/g.ts': 'g();',
      'test/lib/f.unit.test.ts': `import '../../lib/g.ts';`,
    },
  ],
  ['a helper that no test needs', ['dead'], { 'test/lib/helper.ts': 'f();' }],
  [
    'a file that only hands on exports',
    ['barrel'],
    {
      ...lib(`import './index.ts';`),
      'lib/index.ts': `export * from './g.ts';`,
      'lib/g.ts': 'export const g = 1;',
    },
  ],

  ['a file of 301 lines', ['length'], { 'dev/main.ts': lines(301) }],
  ['a function of 71 lines', ['length'], { 'dev/main.ts': `function g() {\n${lines(69)}}` }],
  ['a method of 71 lines', ['length'], { 'dev/main.ts': `const o = { g() {\n${lines(69)}} };` }],
  [
    'a test of 71 lines, but not its describe',
    ['length'],
    {
      'test/lib/f.unit.test.ts': `describe('f', () => { ${lines(80)}test('g', () => {\n${lines(69)}}) });`,
    },
  ],

  ['another reader of the environment', ['use'], lib('f(process.env);')],
  ['the same by taking it apart', ['use'], lib('const { env } = process;')],
  ['the same by an import', ['use'], lib(`import { env } from 'node:process';`)],
  ['a clock in model/', ['use'], model('f(Date.now());')],
  ['the same in other words', ['use'], model('f(new Date());')],
  ['chance in model/', ['use'], model('f(Math.random());')],
  ['a process started by the proxy', ['use'], { 'proxy/main.ts': `import 'node:child_process';` }],
  ['an end without the steps of the shutdown', ['use'], lib('process.exit(1);')],
  ['a call without a deadline', ['use'], lib(`fetch('http://a');`)],
  ['an import by a computed name', ['use'], lib('await import(f());')],

  ['a word that puts something off', ['words'], lib(`/** ${WORD}: later. */`)],
  ['the same in SQL', ['words'], { 'db/hot/migrations/1.sql': `-- ${WORD}` }],
  ['code in a comment', ['commented-code'], lib('// const g = f();')],
  ['a call in a comment', ['commented-code'], lib('// g.h(1, 2);')],
  ['code in a block of comment', ['commented-code'], lib('/*\nif (f) {\n  g();\n}\n*/')],
  ['a test that no project runs', ['test-name'], { 'test/lib/g.test.ts': 'g();' }],
  ['a test beside its file', ['dead', 'test-name'], { 'lib/g.unit.test.js': 'g();' }],

  ['a link to no file', ['links'], { 'README.md': '[a](docs/gone.md)' }],
  ['a link to no heading', ['links'], { 'README.md': '[a](docs/spec.md#gone)' }],
  ['a file in a document that is not there', ['paths'], { 'README.md': '`lib/gone.ts`' }],
  ['a document that code names and that is not there', ['paths'], lib('/** See docs/gone.md. */')],
  ['a folder in a document that is not there', ['paths'], { 'README.md': '`lib/gone/`' }],
  [
    'an endpoint without a row',
    ['boundary'],
    { ...api(`import './routes/get-x.ts';`), 'api/routes/get-x.ts': 'f();' },
  ],
  ['a package of the hot path without a row', ['boundary'], api(`import 'zod';`)],
  ['a process without a row', ['boundary'], { 'docs/boundary.md': boundary(ROWS.slice(1)) }],
  ['a row without its thing', ['boundary'], { 'docs/boundary.md': boundary([...ROWS, 'koa']) }],
  [
    'an invariant without a test',
    ['invariants'],
    { 'docs/spec.md': '# Spec\n| I1 | it is so | – |' },
  ],
  [
    'an invariant whose test is not there',
    ['invariants'],
    { 'docs/spec.md': '# Spec\n| I1 | it is | `test/lib/g.unit.test.ts`: "it is not" |' },
  ],
  [
    'an invariant twice',
    ['invariants'],
    { 'docs/spec.md': `${KEPT['docs/spec.md']}${KEPT['docs/spec.md']}` },
  ],
  ['no invariant at all', ['invariants'], { 'docs/spec.md': '# Spec' }],
  [
    'a lock file that says where packages came from',
    ['lock-file'],
    {
      'package-lock.json': lock({ express: [] }, { resolved: 'https://example.com/express' }),
    },
  ],
];

describe('the rules', () => {
  test.each(BREAKS)('%s', (_, rules, change) => {
    expect(brokenBy(change)).toEqual(rules);
  });
});
