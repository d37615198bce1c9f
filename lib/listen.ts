/** Beginning and ending to listen, for servers of any kind. */
import type { Server as HttpServer } from 'node:http';
import type { Server } from 'node:net';
import { ConfigError } from './config-error.ts';

/**
 * Listens, or says in one sentence why not.
 * @throws ConfigError if the port is taken or the address is not this machine's.
 */
export function listen(server: Server, port: number, bind: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? `port ${port} on ${bind} is taken by another program`
          : `can not listen on ${bind}:${port} (${error.code})`;
      reject(new ConfigError(why, { cause: error }));
    });
    server.listen(port, bind, () => resolve());
  });
}

/** Closes a server and the connections that idle on it. */
export function closeServer(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
