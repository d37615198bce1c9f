/**
 * The gate of a machine: lets proxies of other machines to the sockets of its hosts. The first line that
 * comes names a path, which is one of these or the connection is closed without a word, as by a
 * Postgres that is gone. Who may come shows a certificate; decision 0012 says why it is done this way.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { errnoOf } from '../lib/errno.ts';
import type { Logger } from '../lib/log.ts';
import { accessSocketIn } from '../lib/run-folder.ts';
import { HELD_MAX } from '../model/limits.ts';
import type { GateSecrets } from './gate-files.ts';
import { GATE_ALPN } from './peers.ts';
import { DRAIN_MS, LISTENING, splice } from './session.ts';

/** A path of a Unix socket has 107 bytes. */
const LINE_BYTES_MAX = 128;
/** For the handshake, and for the line after it. */
const OPENING_MS_MAX = 5_000;
const NEWLINE = 0x0a;
const BACKLOG_MS_MAX = 3_000;
const BACKLOG_AGAIN_MS = 20;
/** Connections at once; a machine has fewer sessions. */
const CONNECTIONS_MAX = HELD_MAX;

/** `<directory>.<epoch>/.s.PGSQL.<port>`, without the folder. */
const SOCKET = /^[0-9a-z]+\.\d+\/\.s\.PGSQL\.\d+$/;

/** Whether this is a socket of an incarnation, or of an agent, in one of these run folders. */
export function isServed(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => {
    if (path === accessSocketIn(folder)) return true;
    return path.startsWith(`${folder}/`) && SOCKET.test(path.slice(folder.length + 1));
  });
}

/** The first line, and what came behind it. @returns undefined if none comes. */
function readLine(socket: TLSSocket): Promise<{ line: string; rest: Buffer } | undefined> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (found: { line: string; rest: Buffer } | undefined): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('end', onGone).off('close', onGone).pause();
      resolve(found);
    };
    const onGone = (): void => settle(undefined);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.subarray(0, LINE_BYTES_MAX).indexOf(NEWLINE);
      if (end >= 0)
        settle({ line: bytes.toString('latin1', 0, end), rest: bytes.subarray(end + 1) });
      else if (bytes.length >= LINE_BYTES_MAX) onGone();
    };
    const timer = setTimeout(onGone, OPENING_MS_MAX);
    socket.on('data', onData).on('end', onGone).on('close', onGone);
  });
}

/** @returns undefined where nobody listens. */
async function dial(path: string): Promise<Socket | undefined> {
  const until = performance.now() + BACKLOG_MS_MAX;
  for (;;) {
    const socket = connect({ path, allowHalfOpen: true });
    try {
      await once(socket, 'connect');
      socket.on('error', () => undefined);
      return socket;
    } catch (error) {
      // The queue of the listening socket is full (connect(2)); somebody does listen.
      if (errnoOf(error) !== 'EAGAIN' || performance.now() > until) return undefined;
      await delay(BACKLOG_AGAIN_MS);
    }
  }
}

export interface GateOptions {
  readonly folders: readonly string[];
  readonly secrets: () => GateSecrets;
  readonly log: Logger;
}

export interface Gate {
  /** Not listening yet. */
  readonly server: Server;
  /** Connections from other machines. */
  readonly open: () => number;
  /** Listens no more, and ends after `graceMs` what is open then. */
  readonly drain: (graceMs?: number) => Promise<void>;
}

export function createGate({ folders, secrets, log }: GateOptions): Gate {
  const open = new Set<Socket>();

  async function serve(peer: TLSSocket): Promise<void> {
    const found = await readLine(peer);
    if (found === undefined || !isServed(found.line, folders)) {
      const who = { from: peer.remoteAddress, peer: peer.getPeerCertificate().subject?.CN };
      if (found !== undefined) log.warn({ ...who, path: found.line }, 'no socket of this machine');
      peer.destroy();
      return;
    }
    const host = await dial(found.line);
    if (host === undefined || peer.destroyed) {
      host?.destroy();
      peer.destroy();
      return;
    }
    if (found.rest.length > 0) host.write(found.rest);
    await splice(peer, host);
  }

  let shown = secrets();
  let draining = false;
  const server = createServer(
    {
      ...shown.options,
      ...{ requestCert: true, rejectUnauthorized: true },
      ...{ ALPNProtocols: [GATE_ALPN], handshakeTimeout: OPENING_MS_MAX },
      ...LISTENING,
    },
    (peer) => {
      peer.on('error', () => undefined);
      if (peer.alpnProtocol === GATE_ALPN) void serve(peer);
      else peer.destroy();
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.on('tlsClientError', (error: Error, peer) => {
    log.warn({ from: peer.remoteAddress, why: error.message }, 'a stranger at the gate');
  });
  // Before the handshake.
  server.prependListener('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    if (draining) socket.destroy();
    const now = secrets();
    if (now !== shown) server.setSecureContext(now.options);
    shown = now;
  });
  return {
    server,
    open: () => open.size,
    async drain(graceMs = DRAIN_MS) {
      draining = true;
      const closed = new Promise((resolve) => server.close(resolve));
      const timer = setTimeout(() => open.forEach((socket) => socket.destroy()), graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}
