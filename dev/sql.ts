/**
 * `npm run -s sql -- "select 1"`: one statement through the proxy, for those without psql.
 * Exit codes as psql has them: 0, 1 for a refused statement, 2 for no connection.
 */
import { parseArgs } from 'node:util';
import { connect, postgresErrorOf, type Client, type PostgresError } from '../db/client.ts';
import { readManagementConfig } from '../lib/config-management.ts';
import { ConfigError } from '../lib/config-error.ts';
import { errnoOf } from '../lib/errno.ts';
import { runMain } from '../lib/shutdown.ts';
import { readEndpoints } from './endpoints.ts';
import { alignTable } from './table.ts';

const USAGE =
  'usage: npm run -s sql -- [--database <id or connection string>] "<statement>" (PGPASSWORD for an id that is not the demo’s)';

interface Wanted {
  readonly statement: string;
  readonly database: string | undefined;
}

function readArguments(): Wanted {
  try {
    const { values, positionals } = parseArgs({
      options: { database: { type: 'string', short: 'd' } },
      allowPositionals: true,
    });
    const [statement, ...more] = positionals;
    if (statement === undefined || more.length > 0) throw new ConfigError(USAGE);
    return { statement, database: values.database };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(USAGE, { cause: error });
  }
}

/** The connection string of the demo, of another database of this stack, or the one given. */
async function resolveDatabase(given: string | undefined): Promise<string> {
  if (given?.includes('://')) return given;
  const config = readManagementConfig(['PILOTLIGHT_HOME', 'PGPASSWORD']);
  const endpoints = await readEndpoints(config.PILOTLIGHT_HOME);
  if (endpoints === undefined)
    throw new ConfigError(`no stack runs on ${config.PILOTLIGHT_HOME}; start it with: npm start`);
  const { demo, proxy } = endpoints;
  if (demo !== null && (given === undefined || given === demo.database))
    return demo.connection_string;
  if (given === undefined) throw new ConfigError('this stack has no demo database');
  if (config.PGPASSWORD === '')
    throw new ConfigError(`the password of ${given} is known to its owner: set PGPASSWORD`);
  const password = encodeURIComponent(config.PGPASSWORD);
  return `postgresql://owner:${password}@${proxy.host}:${proxy.port}/${given}`;
}

function errorText(error: PostgresError): string {
  const lines = [`${error.severity}:  ${error.code}: ${error.message}`];
  if (error.detail !== undefined) lines.push(`DETAIL:  ${error.detail}`);
  if (error.hint !== undefined) lines.push(`HINT:  ${error.hint}`);
  return `${lines.join('\n')}\n`;
}

/** Says why, and lets the process end with this code. */
function refuse(error: unknown, code: number): void {
  const known = postgresErrorOf(error);
  const text =
    known !== undefined
      ? errorText(known)
      : `no connection: ${errnoOf(error) ?? (error instanceof Error ? error.message : String(error))}\n`;
  process.stderr.write(text);
  process.exitCode = code;
}

async function run(client: Client, statement: string): Promise<void> {
  try {
    const { fields, rows } = await client.query(statement);
    if (fields.length > 0) {
      const count = rows.length === 1 ? '(1 row)' : `(${rows.length} rows)`;
      process.stdout.write(`${[...alignTable(fields, rows), count].join('\n')}\n\n`);
    } else process.stdout.write('done\n');
  } catch (error) {
    refuse(error, postgresErrorOf(error) === undefined ? 2 : 1);
  }
}

runMain('sql', async () => {
  const { statement, database } = readArguments();
  const url = await resolveDatabase(database);
  let client: Client;
  try {
    client = await connect(url, { applicationName: 'pilotlight sql', onError: () => undefined });
  } catch (error) {
    refuse(error, 2);
    return;
  }
  await run(client, statement);
  await client.end();
});
