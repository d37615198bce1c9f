/**
 * The client's side of a connection until its start-up packet: plain at first, and TLS from when the
 * client asks for it. ProcessSSLStartup() and ProcessStartupPacket() in backend_startup.c of
 * Postgres are the model.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { AppError } from '../model/errors.ts';
import { createClientReader, type ClientReader } from './client-reader.ts';
import { decodeFirstPacket, type FirstPacket } from './startup.ts';
import { ALPN, channelOf, encrypt, type Certificate, type Channel } from './tls.ts';
import { ENCRYPTED, NOT_ENCRYPTED } from './wire.ts';

/** Whom the proxy talks to; all of it changes when TLS begins. */
export interface Front {
  socket: Socket;
  reader: ClientReader;
  channel: Channel | undefined;
}

const violation = (detail: string): AppError => new AppError('protocol_violation', { detail });

export const createFront = (socket: Socket, controller: AbortController): Front => ({
  socket,
  reader: createClientReader(socket, controller),
  channel: undefined,
});

/** @throws what encrypt() throws; the front's socket is closed by then. */
async function beginTls(
  front: Front,
  certificate: Certificate,
  controller: AbortController,
): Promise<TLSSocket> {
  const secure = await encrypt(front.socket, certificate, controller.signal);
  front.socket = secure;
  front.reader = createClientReader(secure, controller);
  front.channel = channelOf(secure, certificate);
  return secure;
}

/** A client that begins with TLS at once: all that it has sent is the handshake's. */
async function beginDirectly(
  front: Front,
  certificate: Certificate | undefined,
  controller: AbortController,
): Promise<void> {
  if (certificate === undefined) throw violation('there is no TLS here');
  front.socket.unshift(front.reader.release());
  const { alpnProtocol } = await beginTls(front, certificate, controller);
  // As Postgres: what speaks another protocol is not to be led here by somebody on the way.
  if (alpnProtocol !== ALPN) throw violation(`direct TLS needs ALPN with "${ALPN}"`);
}

/**
 * What came behind a request for encryption was not encrypted, and somebody on the way may have put
 * it there: it must never be taken for what the client says inside (CVE-2021-23222).
 */
function checkNothingAhead({ reader, socket }: Front): void {
  if (reader.ahead() > 0 || socket.readableLength > 0)
    throw violation('unencrypted data came behind the request for encryption');
}

/**
 * Reads packets until the client says what it wants. TLS begins at once, or when it is asked for;
 * GSSAPI is refused; each once, in either order, and neither inside TLS.
 * @param certificate what is shown to this client; undefined: there is no TLS.
 * @throws AppError of what is wrong with the packet, and what encrypt() throws
 */
export async function readStartup(
  front: Front,
  certificate: Certificate | undefined,
  controller: AbortController,
): Promise<Extract<FirstPacket, { kind: 'startup' | 'cancel' }>> {
  const asked = new Set<string>();
  for (;;) {
    const packet = await front.reader.read(decodeFirstPacket);
    if (packet.kind === 'startup' || packet.kind === 'cancel') return packet;
    if (front.channel !== undefined) throw violation('the connection is encrypted already');
    if (asked.has(packet.kind)) throw violation('encryption was refused already');
    asked.add(packet.kind);
    if (packet.kind === 'hello') {
      if (asked.size > 1) throw violation('this is not a start-up packet');
      await beginDirectly(front, certificate, controller);
      continue;
    }
    checkNothingAhead(front);
    if (packet.kind === 'gssenc' || certificate === undefined) {
      front.socket.write(NOT_ENCRYPTED);
      continue;
    }
    front.reader.release();
    front.socket.write(ENCRYPTED);
    await beginTls(front, certificate, controller);
  }
}
