/**
 * Debian's pgbench as the yardstick: the statements of the product's own cycle, one at a time. The
 * product never needs it; where it is not installed its arms are left out, and that is said.
 */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { ConfigError } from '../lib/config-error.ts';
import { childEnvironment } from '../lib/environment.ts';
import type { Ran } from './in-process.ts';

/** Asked for by the issue: eight clients in one thread. */
export const PGBENCH_CLIENTS = 8;

interface Said {
  readonly code: number;
  readonly out: string;
}

/** @returns undefined if there is no such program. */
function run(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Said | undefined> {
  return new Promise((resolve) => {
    const child = spawn('pgbench', args, { env: childEnvironment(env) });
    let out = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.once('error', () => resolve(undefined));
    child.once('close', (code) => resolve({ code: code ?? -1, out }));
  });
}

/** @returns its version, undefined if it is not installed. */
export async function findPgbench(): Promise<string | undefined> {
  return (await run(['--version'], {}))?.out.trim();
}

/** The id of the n-th database of `fillIndex`, where n is a variable of the script. */
const ID = `('db-' || translate(substr(md5(:n::text), 1, 20), '0189', 'ghij'))`;

const quoted = (text: string): string => `'${text.replace(/'/g, "''")}'`;

function literal(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return quoted(`{${value.map((v) => JSON.stringify(v)).join(',')}}`);
  throw new Error(`BUG: no literal for ${typeof value}`);
}

export interface Cycle {
  readonly database: string;
  /** Of the recorded cycle; one that no other value has. */
  readonly epoch: number;
  readonly host: string;
}

/**
 * Turns a recorded cycle into a script: the database is another one each time, and epoch and host are
 * those that the claim, which comes first, has answered.
 */
export function scriptOf(cycle: Cycle, ran: readonly Ran[], databases: number): string {
  const share = Math.floor(databases / PGBENCH_CLIENTS);
  const one = ({ text, values }: Ran, claimed: boolean): string =>
    text.replace(/\$(\d+)/g, (_, nr: string) => {
      const value = values[Number(nr) - 1];
      if (value === cycle.database) return ID;
      if (claimed && value === cycle.epoch) return ':epoch';
      if (claimed && value === cycle.host) return ':host';
      return literal(value);
    });
  const statements = ran.map(
    (statement, i) => `${one(statement, i > 0)}${i === 0 ? ' \\gset' : ';'}`,
  );
  return [
    `\\set n :client_id * ${share} + random(0, ${share - 1})`,
    ...statements.map((text) => text.trim().replace(/\n/g, ' ')),
    '',
  ].join('\n');
}

/** The leanest cycle there could be: the claim, and one statement that takes it back. */
export const LEAN_END: Ran = {
  values: [],
  text: `with d as (
  update database set state = 'suspended' where id = ${ID} and epoch = :epoch and state = 'starting'
  returning id
), a as (
  delete from assignment a using d where a.database_id = d.id returning a.size, a.host_id, a.slot
)
insert into slot_vacant (size, host_id, slot) select size, host_id, slot from a`,
};

export interface PgbenchOptions {
  readonly url: string;
  readonly script: string;
  /** Where the script is put. */
  readonly file: string;
  readonly seconds: number;
  /** Of its sessions: the product's own. */
  readonly settings: ReadonlyMap<string, string>;
}

/** As libpq's `options` wants it. */
const optionsOf = (settings: ReadonlyMap<string, string>): string =>
  [...settings].map(([name, value]) => `-c ${name}=${value.replace(/[\\ ]/g, '\\$&')}`).join(' ');

/**
 * @returns cycles, in all and per second.
 * @throws ConfigError with what pgbench said if a statement failed.
 */
export async function runPgbench(
  options: PgbenchOptions,
): Promise<{ rate: number; cycles: number }> {
  const { url, script, file, seconds, settings } = options;
  await writeFile(file, script);
  const { hostname, port, username, password, pathname } = new URL(url);
  const said = await run(
    [
      ...['-n', '-M', 'prepared', '-c', String(PGBENCH_CLIENTS), '-j', '1', '-T', String(seconds)],
      ...['-f', file, '-h', hostname, '-p', port, '-U', username, pathname.slice(1)],
    ],
    { PGPASSWORD: password, PGOPTIONS: optionsOf(settings) },
  );
  const tps = /^tps = ([\d.]+)/m.exec(said?.out ?? '')?.[1];
  const cycles = /^number of transactions actually processed: (\d+)/m.exec(said?.out ?? '')?.[1];
  if (
    said?.code !== 0 ||
    tps === undefined ||
    cycles === undefined ||
    /aborted|ERROR/.test(said.out)
  )
    throw new ConfigError(`pgbench: ${said?.out.trim().split('\n').slice(-8).join(' | ')}`);
  return { rate: Number(tps), cycles: Number(cycles) };
}
