/** Listens at the socket for proxies: whoever can open it is one, so that no token is asked for. */
import { chmod, chown, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { ConfigError } from '../lib/config-error.ts';
import { accessSocketIn, makeMarks } from '../lib/run-folder.ts';

/**
 * @param uid of the proxy; undefined where agent and proxy are one user.
 * @throws ConfigError
 */
export async function listenForProxies(
  server: Server,
  run: string,
  uid: number | undefined,
): Promise<void> {
  await makeMarks(run);
  const path = accessSocketIn(run);
  // An earlier agent's: it has given up its lock by now.
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new ConfigError(`can not listen at ${path}: ${error.message}`, { cause: error })),
    );
    server.listen(path, () => resolve());
  });
  await chmod(path, 0o600);
  if (uid !== undefined) await chown(path, uid, -1);
}
