/** Looks into a running incarnation: whether it answers at all, and whether anyone works there. */
import { connect } from 'node:net';
import { lookAtTenant, type Look } from '../db/tenant/look.ts';
import type { AuthidRole } from '../model/authid.ts';
import type { Incarnation } from './incarnation.ts';
import { SOCKET_PORT, socketFile } from './postgres.ts';
import { readConnections } from './sockets.ts';

/** A Postgres under load answers a look within this; one that is stopped never does. */
const LOOK_MS_MAX = 5_000;
/** Many clients may be ahead in its queue. */
const ANSWER_MS_MAX = 3_000;

/** SSLRequest: length 8, code 80877103. Every Postgres that lives answers it with one byte. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** True if something at the incarnation's socket speaks Postgres' protocol. */
export function answers(
  incarnation: Pick<Incarnation, 'folder'>,
  withinMs = ANSWER_MS_MAX,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketFile(incarnation.folder, SOCKET_PORT));
    const end = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(withinMs, () => end(false));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    socket.once('data', () => end(true));
    socket.write(SSL_REQUEST);
  });
}

export interface TenantLook {
  readonly look: Look;
  /** What SQL says of roles. */
  readonly authid: readonly AuthidRole[];
  /** Connections at the sockets, less the look's own. */
  readonly connections: number;
}

/** The path that connections are listed under, wherever the socket has been moved since. */
export const boundPath = (incarnation: Incarnation): string =>
  socketFile(incarnation.folder, SOCKET_PORT);

/** @throws what pg throws if Postgres does not answer. */
export async function lookInside(
  incarnation: Incarnation,
  port: number,
  ignore: readonly string[],
  timeoutMs = LOOK_MS_MAX,
): Promise<TenantLook> {
  const address = { socket: incarnation.folder, port };
  const { look, authid, meanwhile } = await lookAtTenant(
    address,
    ignore,
    timeoutMs,
    readConnections,
  );
  return { look, authid, connections: (meanwhile.get(boundPath(incarnation)) ?? 1) - 1 };
}
