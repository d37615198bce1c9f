/** psql, where this machine has one: libpq with every sslmode and channel_binding. */
import { spawn } from 'node:child_process';
import { childEnvironment } from '../../lib/environment.ts';
import { runCases, type Absent, type Cases, type Driver, type Target } from './driver.ts';

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
const BINDINGS = ['disable', 'prefer', 'require'] as const;
/** For a statement to begin before it is cancelled. */
const BEGUN_MS = 500;

interface Run {
  readonly parameters?: Readonly<Record<string, string>>;
  readonly password?: string;
  readonly script: string;
  /** Presses Ctrl-C after that many milliseconds. */
  readonly interruptMs?: number;
}

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function psql(args: readonly string[], password: string, run: Run): Promise<Said> {
  return new Promise((resolve, reject) => {
    const child = spawn('psql', [...args], { env: childEnvironment({ PGPASSWORD: password }) });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(run.script);
    const { interruptMs } = run;
    if (interruptMs !== undefined) setTimeout(() => child.kill('SIGINT'), interruptMs);
  });
}

function talk(target: Target, run: Run): Promise<Said> {
  const parameters = {
    host: target.host,
    port: String(target.port),
    dbname: target.database,
    user: target.user,
    ...run.parameters,
  };
  const info = Object.entries(parameters).map(([name, value]) => `${name}='${value}'`);
  const args = ['-X', '-v', 'VERBOSITY=verbose', '-v', 'SHOW_CONTEXT=always', '-f', '-'];
  return psql([...args, info.join(' ')], run.password ?? target.password, run);
}

const LOGIN = 'select current_user, current_database();\n\\conninfo\n';

const SESSION: Readonly<Record<string, string>> = {
  types: `select 1::int8, 1.5::numeric, 'ä€😀', '\\x00ff'::bytea, null, array[1,2], true;`,
  errors: `select 1/0;\nselekt;\nbegin;\nselect 1/0;\nselect 1;\nrollback;`,
  copy: `create temporary table t (a int, b text);
\\copy t from program 'seq 1 20000 | sed "s/$/\\tx/"'
select count(*), sum(a) from t;
\\copy (select * from t order by a limit 3) to stdout
copy t from stdin;
1	one
\\.
copy t from stdin;
x	wrong
\\.
`,
  prepared: `prepare one (int) as select $1 + 1;\nexecute one(1);\nexecute one(2);`,
  notify: `listen news;\nnotify news, 'höre';\nselect 1;`,
  notices: `do $$ begin raise notice 'so %', 1; raise warning 'nicht'; end $$;`,
  cursor: `\\set FETCH_COUNT 100\nselect i from generate_series(1, 1000) i;`,
  big: `select md5(repeat('ab', 5000000)), length(repeat('ab', 5000000));\nselect repeat('ab', 5000000);`,
  several: `select 1\\; select 2\\; select 3;`,
  reconnect: `select 1;\n\\c\nselect 2;`,
};

function casesOf(): Cases {
  const cases: Record<string, Cases[string]> = {};
  for (const sslmode of SSL_MODES)
    for (const binding of BINDINGS)
      for (const password of [undefined, 'wrong'])
        for (const certificate of ['certificate', 'otherCertificate'] as const) {
          if (certificate === 'otherCertificate' && !sslmode.startsWith('verify')) continue;
          const what = [
            sslmode,
            binding,
            certificate,
            ...(password === undefined ? [] : ['wrong']),
          ];
          cases[`login: ${what.join(', ')}`] = (target) => {
            const parameters = {
              sslmode,
              channel_binding: binding,
              sslrootcert: sslmode.startsWith('verify') ? target[certificate] : '',
            };
            const run = { parameters, script: LOGIN };
            return talk(target, password === undefined ? run : { ...run, password });
          };
        }
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const ssl = { ssl_min_protocol_version: version, ssl_max_protocol_version: version };
    cases[`login: ${version}`] = (to) =>
      talk(to, { parameters: { sslmode: 'require', ...ssl }, script: LOGIN });
  }
  for (const sslmode of ['disable', 'require']) {
    const parameters = { sslmode };
    for (const [name, script] of Object.entries(SESSION))
      cases[`${sslmode}: ${name}`] = (to) => talk(to, { parameters, script });
    cases[`${sslmode}: cancel`] = (to) =>
      talk(to, { parameters, script: 'select pg_sleep(20);\nselect 1;\n', interruptMs: BEGUN_MS });
  }
  return cases;
}

/** Process ids in what psql says of notifications. */
const withoutPid = (said: unknown): unknown =>
  JSON.parse(JSON.stringify(said).replaceAll(/with PID \d+/g, 'with PID …')) as unknown;

const driver: Driver = {
  name: 'psql',
  async run(target) {
    const outcomes = await runCases(casesOf(), target);
    return Object.fromEntries(
      Object.entries(outcomes).map(([name, said]) => [name, withoutPid(said)]),
    );
  },
};

export async function findPsql(): Promise<Driver | Absent> {
  try {
    const { out } = await psql(['--version'], '', { script: '' });
    return { ...driver, name: out.trim() };
  } catch {
    return { name: 'psql', absent: 'there is none on PATH' };
  }
}
