/**
 * The services of docker-compose.yml as processes of this machine: their commands and environment as
 * they are written, with what only containers have translated: names of services to 127.0.0.1, ports
 * to free ones, folders to a temporary one, the image's users to the system's.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initControl, spawnControl } from '../../host/control.ts';
import { findUser, isRoot, resolvePostgres, type Installation } from '../../host/prepare.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { freePort } from '../../lib/free-port.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { startGuard, type Guard } from '../temporal/guard.ts';
import { entrypoint, imageEnvironment, isOurs, readCompose } from './compose-file.ts';
import type { ComposeFile, Service } from './compose-file.ts';

const POSTGRES_PORT = '5432';
const TEMPORAL_PORT = '7233';
/** The image's users; these are on every Linux. */
const USERS: Readonly<Record<string, string>> = {
  'pilotlight-proxy': 'daemon',
  'pilotlight-service': 'nobody',
};

type Environment = Readonly<Record<string, string>>;

export interface LocalStack {
  readonly folder: string;
  readonly compose: ComposeFile;
  readonly guard: Guard;
  /** The port of this machine that stands for one of a service. */
  readonly port: (service: string, port: string) => number;
  readonly secrets: Readonly<Record<string, string>>;
  /** Starts `hot` or `cold`, whose image is not ours, and waits until it is ready. */
  readonly startControl: (name: 'hot' | 'cold') => Promise<void>;
  /** Starts a service of ours. @returns what it says when it ends, with its exit code. */
  readonly start: (name: string) => LocalService;
  /** Runs the service's own health check. */
  readonly isHealthy: (name: string) => Promise<boolean>;
}

export interface LocalService {
  readonly process: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly said: string }>;
}

const endOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('close', resolve));

async function readEnvFile(path: string): Promise<Environment> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line.includes('='));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

/** `npm run compose`, into a folder of the test. */
async function makeSecrets(folder: string): Promise<void> {
  const main = join(PACKAGE_ROOT, 'dist/dev/compose.js');
  const child = spawn(process.execPath, [main, folder], {
    stdio: 'ignore',
    env: childEnvironment({}),
  });
  if ((await endOf(child)) !== 0) throw new Error('npm run compose has failed');
}

/** One that nobody has, and that is nobody's here either: they are taken later. */
async function anotherPort(taken: Iterable<number>): Promise<number> {
  const others = new Set(taken);
  for (;;) {
    const port = await freePort();
    if (!others.has(port)) return port;
  }
}

/** Every port that a service listens on, by its number in the container. */
async function choosePorts(compose: ComposeFile): Promise<ReadonlyMap<string, number>> {
  const ports = new Map<string, number>();
  for (const [name, { environment = {} }] of Object.entries(compose.services)) {
    const own = Object.entries(environment).filter(([key]) => /^PILOTLIGHT_.*PORT$/.test(key));
    for (const port of [POSTGRES_PORT, TEMPORAL_PORT, ...own.map(([, value]) => value)])
      ports.set(`${name}:${port}`, await anotherPort(ports.values()));
  }
  return ports;
}

/** What the translations below share. */
interface Made {
  readonly folder: string;
  readonly compose: ComposeFile;
  readonly ports: ReadonlyMap<string, number>;
  readonly pg: Installation;
  /** By their paths in the compose file. */
  readonly envFiles: ReadonlyMap<string, Environment>;
}

function portOf({ ports }: Made, service: string, number: string): number {
  const found = ports.get(`${service}:${number}`);
  if (found === undefined) throw new Error(`nobody listens on ${service}:${number}`);
  return found;
}

/** What a value means outside of the containers' network, file systems and users. */
function translated(made: Made, service: string, text: string): string {
  const { folder, compose, ports, pg } = made;
  const paths: readonly (readonly [string, string])[] = [
    ['/var/lib/pilotlight/volume', join(folder, 'volume')],
    ['/run/pilotlight', join(folder, 'run')],
    ['/run/callers', join(folder, '.compose/callers')],
    ['/run/secrets/sealing_key', join(folder, '.compose/sealing-key.pem')],
    ['/opt/postgres', pg.folder],
  ];
  let out = USERS[text] ?? text;
  for (const [from, to] of paths) out = out.startsWith(from) ? to + out.slice(from.length) : out;
  out = out.replace(/\b127\.0\.0\.1:(\d+)/g, (all: string, number: string) =>
    ports.has(`${service}:${number}`) ? `127.0.0.1:${portOf(made, service, number)}` : all,
  );
  return out.replace(
    /(?<=^|@|\/\/)([a-z][a-z0-9-]*):(\d+)/g,
    (all: string, name: string, number: string) =>
      Object.hasOwn(compose.services, name) ? `127.0.0.1:${portOf(made, name, number)}` : all,
  );
}

const isPort = (key: string): boolean => /^PILOTLIGHT_.*PORT$/.test(key);

function environmentOf(made: Made, name: string, service: Service): Environment {
  const files = (service.env_file ?? []).map((path) => made.envFiles.get(path) ?? {});
  const all: Environment = Object.assign(
    { ...imageEnvironment(), PILOTLIGHT_BIND: '127.0.0.1' },
    ...files,
    service.environment,
  );
  return Object.fromEntries(
    Object.entries(all).map(([key, value]) => {
      if (isPort(key)) return [key, String(portOf(made, name, value))];
      // It is what clients outside of the containers are told: the port that proxy-1 publishes.
      const of = key === 'PILOTLIGHT_PROXY_ADDRESS' ? 'proxy-1' : name;
      return [key, translated(made, of, value)];
    }),
  );
}

function serviceOf({ compose }: Made, name: string): Service {
  const service = compose.services[name];
  if (service === undefined) throw new Error(`no service ${name}`);
  return service;
}

function run(made: Made, name: string, words: readonly string[], env: Environment): ChildProcess {
  const [program = '', ...args] = words.map((word) => translated(made, name, word));
  return spawn(program === 'node' ? process.execPath : program, args, {
    cwd: PACKAGE_ROOT,
    env: childEnvironment(env),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

async function startControl(made: Made, guard: Guard, name: 'hot' | 'cold'): Promise<void> {
  const { folder, pg } = made;
  const user = isRoot() ? { user: await findUser('nobody', 'a test') } : {};
  const file = made.envFiles.get(`.compose/${name}.env`) ?? {};
  const data = join(folder, name);
  await initControl({ pg, data, superuserPassword: file['POSTGRES_PASSWORD'] ?? '', ...user });
  const server = await spawnControl({
    pg,
    data,
    port: portOf(made, name, POSTGRES_PORT),
    logFile: join(folder, `${name}.log`),
    settings: { fsync: 'off' },
    ...user,
  });
  guard.add(server.child);
  server.child.unref();
  await server.ready;
}

async function make(folder: string): Promise<Made> {
  await chmod(folder, 0o711);
  const compose = readCompose();
  await makeSecrets(join(folder, '.compose'));
  for (const name of ['volume', 'run']) await mkdir(join(folder, name), { mode: 0o711 });
  const envFiles = new Map<string, Environment>();
  for (const { env_file = [] } of Object.values(compose.services))
    for (const path of env_file) envFiles.set(path, await readEnvFile(join(folder, path)));
  const pg = await resolvePostgres(join(folder, 'pg'));
  return { folder, compose, envFiles, pg, ports: await choosePorts(compose) };
}

export async function createLocalStack(): Promise<LocalStack> {
  const folder = await mkdtemp(join(tmpdir(), 'plc-'));
  const guard = startGuard(folder);
  const made = await make(folder);
  const secrets = JSON.parse(
    await readFile(join(folder, '.compose/secrets.json'), 'utf8'),
  ) as Environment;
  return {
    folder,
    compose: made.compose,
    guard,
    port: (service, number) => portOf(made, service, number),
    secrets,
    startControl: (name) => startControl(made, guard, name),
    start(name) {
      const service = serviceOf(made, name);
      if (!isOurs(service)) throw new Error(`${name} has an image of its own`);
      const words = [...entrypoint(), ...(service.command ?? [])];
      const child = run(made, name, words, environmentOf(made, name, service));
      // An agent that is killed leaves its Postgres; it ends itself and them when its volume is gone.
      if (!name.startsWith('host-')) guard.add(child);
      let said = '';
      child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      return { process: child, ended: endOf(child).then((code) => ({ code, said })) };
    },
    async isHealthy(name) {
      const [kind, ...words] = serviceOf(made, name).healthcheck?.test ?? [];
      if (kind !== 'CMD') throw new Error(`${name} has no command for its health`);
      return (await endOf(run(made, name, words, {}))) === 0;
    },
  };
}
