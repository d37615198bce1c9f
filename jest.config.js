/**
 * Four projects, told apart by the file's name: `x.unit.test.ts` (pure), `x.db.test.ts` (a real
 * Postgres, one template database for all files) and `x.stack.test.ts` (real agents, Postgres and
 * proxy), `x.temporal.test.ts` (a real Temporal server; skipped where there is none, unless
 * PILOTLIGHT_REQUIRE_TEMPORAL=1). Of the last two together two files at a time: they fill the machine.
 * One of them: `npm test -- --selectProjects unit`.
 */
const base = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.pilotlight/'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        sourceMaps: 'inline',
      },
    ],
  },
};

const project = (name, options) => ({
  ...base,
  displayName: name,
  testMatch: [`<rootDir>/test/**/*.${name}.test.ts`],
  ...options,
});

/** Folders whose every line and branch is tested by the `unit` project (CONTRIBUTING.md). */
const COVERED = [
  'model/**/*.ts',
  'lib/**/*.ts',
  // End processes and write to their streams: tested in children, where nothing is counted.
  '!lib/shutdown.ts',
  '!lib/log.ts',
];

export default {
  projects: [
    project('unit', {}),
    project('db', {
      globalSetup: '<rootDir>/test/support/database-server.ts',
      globalTeardown: '<rootDir>/test/support/database-server-stop.ts',
    }),
    project('stack', { runner: '<rootDir>/test/support/lane-runner.js' }),
    project('temporal', {
      testTimeout: 120_000,
      runner: '<rootDir>/test/support/lane-runner.js',
      globalSetup: '<rootDir>/test/support/temporal-setup.ts',
      globalTeardown: '<rootDir>/test/support/database-server-stop.ts',
    }),
  ],
  maxWorkers: 2,
  testTimeout: 30_000,
  // With a limit jest never runs tests in its own process, which ours may end or crowd with timers.
  workerIdleMemoryLimit: '1GB',
  collectCoverageFrom: COVERED,
  coverageReporters: ['text'],
  coverageThreshold: { global: { statements: 100, branches: 100, functions: 100, lines: 100 } },
};
