/** The rules as tables; ARCHITECTURE.md says them in words, the other files here carry them out. */

/** A broken rule: where, and what to do about it. */
export interface Finding {
  readonly rule: string;
  readonly path: string;
  readonly text: string;
}

interface FolderRule {
  /** Own folders that the files here may import; their own folder always. */
  readonly own: readonly string[];
  /** npm packages that they may import. */
  readonly packages: readonly string[];
  /** Own folders of which they may import types. */
  readonly types?: readonly string[];
}

/** The longest folder that holds a file gives its rule; a folder without a line is a finding. */
export const FOLDERS: Readonly<Record<string, FolderRule>> = {
  // What `contract/` says is words of ours as well, but only their types: no zod comes with them.
  model: { own: [], packages: [], types: ['contract'] },
  contract: { own: ['model'], packages: ['zod'] },
  lib: { own: ['model'], packages: ['pino', 'prom-client'] },
  db: { own: ['model', 'lib'], packages: ['pg', 'node-pg-migrate'] },
  'db/hot': { own: ['model', 'lib'], packages: ['pg'] },
  'db/cold': { own: ['model', 'lib'], packages: ['pg'] },
  'db/tenant': { own: ['model', 'lib'], packages: ['pg'] },
  api: { own: ['model', 'contract', 'lib', 'db/hot'], packages: ['express', 'prom-client', 'zod'] },
  host: { own: ['model', 'lib', 'db/tenant'], packages: ['koffi', 'prom-client'] },
  proxy: { own: ['model', 'lib'], packages: ['prom-client'] },
  workflows: { own: ['model'], packages: ['@temporalio/workflow'], types: ['activities'] },
  activities: {
    own: ['model', 'lib', 'db/cold'],
    packages: ['@temporalio/activity'],
  },
  // The only folder that talks to a Temporal server.
  workers: {
    own: ['model', 'lib', 'db/cold', 'activities'],
    packages: ['@temporalio/client', '@temporalio/worker', 'prom-client'],
  },
  console: { own: ['model', 'lib', 'db/cold'], packages: ['prom-client'] },
  dev: { own: ['model', 'lib', 'db', 'api', 'host', 'proxy', 'bench'], packages: [] },
  'dev/generate': {
    own: ['model', 'contract', 'lib', 'db', 'api', 'host', 'dev'],
    packages: ['zod'],
  },
  bench: { own: ['model', 'lib', 'db', 'api', 'host', 'proxy', 'dev'], packages: [] },
  // Clients as customers have them.
  'bench/drivers': {
    own: ['model', 'lib', 'db', 'host', 'dev', 'bench'],
    packages: ['pg', 'postgres'],
  },
  // A control plane of its own, in processes of its own: it does what only workers may otherwise.
  'bench/naive': {
    own: ['model', 'lib', 'db', 'dev', 'bench', 'activities', 'workers'],
    packages: ['@temporalio/client', '@temporalio/worker'],
  },
  'bench/naive/workflows': {
    own: ['model'],
    packages: ['@temporalio/workflow'],
    types: ['bench/naive'],
  },
};

/** Outside the table of folders: tests, and the tools that work on the repository. */
export const OUTSIDE = /^(test\/.*|jest\.config\.js|dev\/[a-z-]+\.mjs)$/;

/** What a process loads must not reach, through anything: own folders and npm packages. */
export const MAINS: Readonly<Record<string, readonly string[]>> = {
  'api/main.ts': ['host/', 'proxy/', 'dev/', 'bench/', 'db/tenant/', 'db/cold/', '@temporalio/'],
  'host/main.ts': ['api/', 'proxy/', 'dev/', 'bench/', 'db/hot/', 'db/cold/', '@temporalio/'],
  'host/sim-main.ts': ['api/', 'proxy/', 'dev/', 'bench/', 'db/', '@temporalio/', 'koffi'],
  'proxy/main.ts': ['api/', 'host/', 'dev/', 'bench/', 'db/', '@temporalio/', 'pg', 'express'],
  'dev/main.ts': ['bench/', '@temporalio/'],
  'dev/keeper.ts': ['bench/', 'api/', 'proxy/', '@temporalio/'],
  'dev/demo.ts': ['@temporalio/'],
  'dev/sql.ts': ['bench/', 'host/', 'proxy/', '@temporalio/'],
  'bench/main.ts': ['@temporalio/'],
  'bench/kills/main.ts': [],
  'bench/chaos/main.ts': [],
  'bench/outage/main.ts': [],
  'bench/faults/main.ts': [],
  'bench/fuzz/main.ts': ['@temporalio/'],
  'bench/proof/main.ts': [
    'api/',
    'host/',
    'proxy/',
    'db/',
    'dev/',
    '@temporalio/',
    'pg',
    'express',
  ],
  'bench/cycles/main.ts': [],
  'bench/mutants/main.ts': [],
  'bench/cold/main.ts': [],
  'bench/drivers/main.ts': ['@temporalio/'],
  'bench/isolation/storm-main.ts': ['api/', 'host/', 'proxy/', '@temporalio/'],
  'bench/isolation/workflows-main.ts': ['api/', 'proxy/', '@temporalio/'],
  'bench/naive/front-main.ts': ['api/', 'host/', 'proxy/', 'db/'],
  'bench/naive/worker-main.ts': ['api/', 'host/', 'proxy/', 'db/hot/'],
  'bench/naive/workflows/index.ts': ['lib/', 'db/', 'host/', 'dev/', 'workers/'],
  'dev/compose.ts': ['api/', 'proxy/', '@temporalio/'],
  'dev/migrate.ts': ['api/', 'proxy/', '@temporalio/'],
  'dev/rebuild.ts': ['api/', 'proxy/', 'bench/', 'host/', '@temporalio/'],
  'dev/temporal/cli.ts': ['api/', 'proxy/', 'db/'],
  'dev/temporal/record.ts': ['api/', 'proxy/', 'db/'],
  'workers/main.ts': [
    'api/',
    'host/',
    'proxy/',
    'dev/',
    'bench/',
    'db/hot/',
    'db/tenant/',
    'console/',
  ],
  // Loaded by the bundler, into the workflows' sandbox.
  'workflows/index.ts': ['lib/', 'db/', 'api/', 'host/', 'proxy/', 'dev/', 'workers/', 'console/'],
  'workers/build-bundle.ts': ['api/', 'host/', 'proxy/', 'dev/', 'bench/', 'db/', 'console/'],
  'console/main.ts': [
    'api/',
    'host/',
    'proxy/',
    'dev/',
    'bench/',
    'db/hot/',
    'db/tenant/',
    'workers/',
    '@temporalio/',
  ],
};

/** Programs that write files of the repository; `npm run check` runs them. */
export const GENERATORS = /^dev\/generate\/[a-z-]+\.ts$/;

/** The processes of the hot path: each of their packages has a line in docs/boundary.md. */
export const HOT_MAINS = ['api/main.ts', 'host/main.ts', 'proxy/main.ts'] as const;

/** Own lines of code (no blanks, no comments) in all that a main loads: bars of the design. */
export const CLOSURE_LINES = [
  { main: 'api/main.ts', below: '', lines: 3000 },
  { main: 'api/main.ts', below: 'api/', lines: 1500 },
] as const;

export const FILE_LINES_MAX = 300;
export const FUNCTION_LINES_MAX = 70;

interface UseRule {
  /** Matches what `Source.uses` holds, or `import <module>`. */
  readonly use: RegExp;
  /** The files that the rule is for. */
  readonly within: RegExp;
  /** Of these the ones that may. */
  readonly except?: RegExp;
  readonly why: string;
}

const OURS = /^(?!test\/|jest\.config)/;

export const USES: readonly UseRule[] = [
  {
    use: /^(process\.env|import (node:)?process)$/,
    within: /^/,
    except:
      /^(lib\/(config|environment)\.ts|dev\/(bootstrap|check)\.mjs|test\/support\/database\.ts)$/,
    why: 'one reader of the environment: declare a key in lib/config*.ts',
  },
  {
    use: /^(Date\.now|new Date\(\)|Math\.random|(process|performance|console)\..*|(set\w+|fetch)\(\))$/,
    within: /^model\//,
    why: 'model/ has no clock, no chance and no I/O: take them as arguments',
  },
  {
    use: /^import (node:)?child_process$/,
    within: /^(model|lib|db|api|proxy)\//,
    why: 'only host/ starts Postgres; only dev/ and bench/ start processes besides',
  },
  {
    use: /^process\.exit$/,
    within: OURS,
    // The agent kills what it runs and ends at once when its home or its volume is gone.
    except:
      /^(lib\/shutdown\.ts|host\/main\.ts|dev\/(bootstrap|check|healthcheck|temporal-download)\.mjs)$/,
    why: 'a process ends by lib/shutdown.ts, so that its steps run',
  },
  {
    use: /^fetch\(\)$/,
    within: OURS,
    why: 'calls go through lib/http-client.ts: a deadline, kept connections, typed errors',
  },
  {
    use: /^(import \(computed\))$/,
    within: OURS,
    // The binaries of Postgres come in a package per platform.
    except: /^host\/prepare\.ts$/,
    why: 'an import by a computed name hides from the import rules',
  },
];
