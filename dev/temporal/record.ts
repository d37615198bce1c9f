/**
 * `node dist/dev/temporal/record.js <workflow id> <case>`: keeps the history of a run of the running
 * stack as `histories/<type>/<case>.json`, for the replay tests. What names this machine is taken out.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { childEnvironment } from '../../lib/environment.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { runMain } from '../../lib/shutdown.ts';
import { NAMESPACE, WORKFLOWS } from '../../model/cold/names.ts';
import { resolveTarget } from './target.ts';

const HISTORY_BYTES_MAX = 64 * 1024 * 1024;

interface History {
  readonly events: readonly {
    readonly workflowExecutionStartedEventAttributes?: { readonly workflowType: { name: string } };
  }[];
}

runMain('record', async () => {
  const [id, name] = process.argv.slice(2);
  if (id === undefined || name === undefined || !/^[a-z-]+$/.test(name))
    throw new ConfigError('usage: record.js <workflow id> <case>');
  const { program, address } = await resolveTarget();
  const { stdout } = await promisify(execFile)(
    program,
    ['workflow', 'show', '-w', id, '-o', 'json'],
    {
      env: childEnvironment({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: NAMESPACE }),
      maxBuffer: HISTORY_BYTES_MAX,
    },
  );
  const text = stdout.replaceAll(hostname(), 'host');
  const history = JSON.parse(text) as History;
  const type = history.events[0]?.workflowExecutionStartedEventAttributes?.workflowType.name ?? '';
  if (!Object.hasOwn(WORKFLOWS, type)) throw new ConfigError(`${id} is no workflow of ours`);
  const folder = join(PACKAGE_ROOT, 'histories', type);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(history, undefined, 1)}\n`);
  process.stdout.write(`histories/${type}/${name}.json\n`);
});
