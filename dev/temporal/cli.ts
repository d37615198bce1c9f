/**
 * `npm run -s temporal -- workflow list`: Temporal's own command line, with the address of the running
 * stack and its namespace. Its exit code is ours.
 */
import { spawn } from 'node:child_process';
import { childEnvironment } from '../../lib/environment.ts';
import { runMain } from '../../lib/shutdown.ts';
import { NAMESPACE } from '../../model/cold/names.ts';
import { resolveTarget } from './target.ts';

runMain('temporal', async () => {
  const { program, address } = await resolveTarget();
  const child = spawn(program, process.argv.slice(2), {
    stdio: 'inherit',
    env: childEnvironment({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: NAMESPACE }),
  });
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
});
