/**
 * `npm run drivers [-- --only NAME]`: each case of each driver once with Postgres itself and once with
 * a database behind the proxy; both must have the same outcome. A driver that is not to be had here is
 * named and left out. The last line: `drivers: cases=… different=…`.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCertificate } from '../../dev/certificate.ts';
import { createFleetClient } from '../../dev/fleet-client.ts';
import { createProgress } from '../../dev/print.ts';
import { startTemporaryStack } from '../../dev/temporary.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { createLogger } from '../../lib/log.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { lineOf } from '../harness.ts';
import { comparable, HUNG, type Absent, type Driver, type Target } from './driver.ts';
import { nodePostgres } from './node-postgres.ts';
import { postgresJs } from './postgres-js.ts';
import { findPsql } from './psql.ts';
import { makePsycopg } from './psycopg.ts';
import { startReference } from './reference.ts';

const STOP_MS_MAX = 30_000;
/** The database stays awake while the drivers go on. */
const IDLE_MS = 3_600_000;
/** Of an outcome that differs. */
const SHOWN = 600;

type Say = (line: string) => void;

interface Arms {
  readonly direct: Target;
  readonly proxied: Target;
  readonly stop: () => Promise<void>;
}

async function otherCertificate(folder: string): Promise<string> {
  const path = join(folder, 'other.crt');
  const to = new Date(Date.now() + 3_600_000);
  const made = makeCertificate({ commonName: 'other', names: ['127.0.0.1'], from: new Date(), to });
  await writeFile(path, made.cert);
  return path;
}

async function startArms(folder: string, say: Say): Promise<Arms> {
  const stack = await startTemporaryStack({ hosts: 1, warm: 0, say });
  const { proxy, api } = stack.endpoints;
  const fleet = createFleetClient(api.url, api.tokens['operator'] ?? '');
  const made = await fleet.create({ tenant: 'drivers', idle_ms: IDLE_MS });
  const key = proxy.certificate.replace(/crt$/, 'key');
  const reference = await startReference(folder, { cert: proxy.certificate, key }, made.password);
  const both = {
    host: '127.0.0.1',
    user: made.role,
    password: made.password,
    certificate: proxy.certificate,
    otherCertificate: await otherCertificate(folder),
  };
  return {
    direct: { ...both, port: reference.port, database: 'main' },
    proxied: { ...both, port: proxy.port, database: made.id },
    async stop() {
      fleet.close();
      await Promise.all([reference.stop(), stack.stop()]);
    },
  };
}

/** @returns how many cases, and how many of them differ. */
async function compare(driver: Driver, { direct, proxied }: Arms, say: Say) {
  const theirs = await driver.run(direct);
  const ours = await driver.run(proxied);
  const names = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])];
  const different = names.filter((name) => {
    const [one, other] = [comparable(theirs[name], direct), comparable(ours[name], proxied)];
    if (one === other && theirs[name] !== HUNG) return false;
    say(`  ${driver.name}, ${name}:`);
    say(`    directly: ${one.slice(0, SHOWN)}`);
    say(`    proxied:  ${other.slice(0, SHOWN)}`);
    return true;
  });
  say(`${driver.name}: ${names.length} cases, ${different.length} different`);
  return { cases: names.length, different: different.length };
}

async function runAll(arms: Arms, folder: string, only: string | undefined, say: Say) {
  let [cases, different, skipped] = [0, 0, 0];
  const find: readonly (() => Driver | Absent | Promise<Driver | Absent>)[] = [
    findPsql,
    () => makePsycopg(join(folder, 'python')),
    () => nodePostgres,
    () => postgresJs,
  ];
  for (const one of find) {
    const driver = await one();
    if (only !== undefined && !driver.name.startsWith(only)) continue;
    if ('absent' in driver) {
      say(`SKIPPED ${driver.name}: ${driver.absent}`);
      skipped++;
      continue;
    }
    const counted = await compare(driver, arms, say);
    cases += counted.cases;
    different += counted.different;
  }
  return { cases, different, skipped };
}

function readOnly(): string | undefined {
  try {
    return parseArgs({ options: { only: { type: 'string' } } }).values.only;
  } catch (error) {
    throw new ConfigError('usage: npm run drivers [-- --only NAME]', { cause: error });
  }
}

runMain('drivers', async () => {
  const only = readOnly();
  const write = (text: string): void => void process.stdout.write(text);
  const { say } = createProgress(write, () => performance.now());
  const shutdown = installShutdown(createLogger('drivers', 'warn'), STOP_MS_MAX);
  const folder = await mkdtemp(join(tmpdir(), 'pl-drivers-'));
  await chmod(folder, 0o711);
  shutdown.onStop('folder', () => rm(folder, { recursive: true }));
  const arms = await startArms(folder, say);
  shutdown.onStop('arms', arms.stop);
  const { cases, different, skipped } = await runAll(arms, folder, only, say);
  const line = lineOf('drivers', { cases, different, ...(skipped === 0 ? {} : { skipped }) });
  write(`${line}\n`);
  await shutdown.stop('done', different === 0 && cases > 0 ? 0 : 1);
});
