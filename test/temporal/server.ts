/** A Temporal server of a test's own: on a free port, with its state in a temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverArguments } from '../../dev/temporal/server.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { freePort } from '../../lib/free-port.ts';
import { TEMPORAL } from './binary.ts';
import { startGuard } from './guard.ts';

export interface TestServer {
  readonly address: string;
  readonly folder: string;
  /** Starts it (again, on the same file) and waits until it listens. */
  readonly start: () => Promise<void>;
  readonly kill: () => Promise<void>;
  /** Starts another process that ends with the test. */
  readonly guard: (child: ChildProcess) => void;
  /** The CLI with this server's address and the namespace. @throws Error with what it says. */
  readonly cli: (...args: string[]) => Promise<string>;
  /** Ends it, with all that is guarded, and removes its folder. */
  readonly end: () => Promise<void>;
}

export async function until(holds: () => boolean | Promise<boolean>, ms: number): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > deadline)
      throw new Error(`it has not come to that: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => socket.destroy()).once('connect', () => socket.end());
  });

const endOf = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });

function runCli(address: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(TEMPORAL, args, {
      env: childEnvironment({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'fleet' }),
    });
    let text = '';
    let wrong = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (wrong += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(text);
      else reject(new Error(`temporal ${args.join(' ')}: ${wrong}`));
    });
  });
}

/**
 * @param bare a state file without our namespace and search attributes, as others make it.
 * @param more arguments of the server.
 */
export async function createTestServer(
  bare = false,
  more: readonly string[] = [],
): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotlight-temporal-'));
  const guard = startGuard(folder);
  const ports = { temporal: await freePort(), temporalUi: await freePort() };
  const full = serverArguments(folder, ports, '127.0.0.1');
  const from = full.indexOf('--search-attribute');
  const own = bare ? full.slice(0, from).map((arg) => (arg === 'fleet' ? 'other' : arg)) : full;
  const args = [...own, ...more];
  let server: ChildProcess | undefined;
  const address = `127.0.0.1:${ports.temporal}`;
  return {
    address,
    folder,
    async start() {
      server = spawn(TEMPORAL, args, { stdio: 'ignore', env: childEnvironment({}) });
      guard.add(server);
      await until(() => answers(ports.temporal), 20_000);
    },
    async kill() {
      if (server === undefined) return;
      server.kill('SIGKILL');
      await endOf(server);
    },
    guard: guard.add,
    cli: (...args_) => runCli(address, args_),
    end: guard.end,
  };
}
