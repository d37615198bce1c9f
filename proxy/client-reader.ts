/**
 * Reads a client's messages while it logs in, however they are cut into packets, and notices when
 * the client has left. Holds no more than a login needs.
 */
import type { Socket } from 'node:net';
import { AppError } from '../model/errors.ts';
import { decodeMessage, MESSAGE, type Decoded } from './wire.ts';

/** PG_MAX_SASL_MESSAGE_LENGTH of src/include/libpq/sasl.h. */
const SASL_BYTES_MAX = 1024;
/** Bytes that a client may send ahead of our answers; then it is read no further until the splice. */
const AHEAD_BYTES_MAX = 64 * 1024;

/** Why a wait ended when nobody is left to be told. */
export const CLIENT_LEFT = new Error('the client has left');

export interface ClientReader {
  /**
   * Waits for the first value that `decode` makes of what has arrived.
   * @throws what `decode` throws; the controller's reason when it is aborted.
   */
  readonly read: <T>(decode: (bytes: Buffer) => Decoded<T> | undefined) => Promise<T>;
  /** When the last bytes came: monotonic milliseconds. */
  readonly arrivedAt: () => number;
  /** How many bytes have come that were not read. */
  readonly ahead: () => number;
  /** Stops reading. @returns what has come and was not read. */
  readonly release: () => Buffer;
}

/**
 * @param controller aborted with CLIENT_LEFT when the client ends or breaks the connection.
 */
export function createClientReader(socket: Socket, controller: AbortController): ClientReader {
  let pending: Buffer = Buffer.alloc(0);
  let arrivedAt = performance.now();
  let attempt: (() => void) | undefined;

  const onData = (chunk: Buffer): void => {
    arrivedAt = performance.now();
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    attempt?.();
    if (pending.length > AHEAD_BYTES_MAX) socket.pause();
  };
  const onGone = (): void => controller.abort(CLIENT_LEFT);
  socket.on('data', onData).on('end', onGone).on('close', onGone);
  // Its end may have come with the last bytes of the handshake, and is told only once.
  if (socket.readableEnded || socket.destroyed) onGone();

  return {
    read<T>(decode: (bytes: Buffer) => Decoded<T> | undefined): Promise<T> {
      const { signal } = controller;
      return new Promise((resolve, reject) => {
        const onAbort = (): void => reject(signal.reason as Error);
        const done = (): void => {
          attempt = undefined;
          signal.removeEventListener('abort', onAbort);
        };
        const once = (): void => {
          try {
            const decoded = decode(pending);
            if (decoded === undefined) return;
            pending = pending.subarray(decoded.used);
            done();
            resolve(decoded.value);
          } catch (error) {
            done();
            const failure = error as Error;
            reject(failure);
          }
        };
        if (signal.aborted) return onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        attempt = once;
        once();
      });
    },
    arrivedAt: () => arrivedAt,
    ahead: () => pending.length,
    release() {
      socket.off('data', onData).off('end', onGone).off('close', onGone);
      socket.pause();
      const rest = pending;
      pending = Buffer.alloc(0);
      return rest;
    },
  };
}

/**
 * Decodes a password message (SASLInitialResponse, SASLResponse). Judges the type as soon as it is
 * there.
 */
export function decodePassword(bytes: Buffer): Decoded<Buffer> | undefined {
  if (bytes.length > 0 && bytes[0] !== MESSAGE.password)
    throw new AppError('protocol_violation', { detail: 'expected a SASL response' });
  const message = decodeMessage(bytes, 0, SASL_BYTES_MAX);
  return message === undefined ? undefined : { value: message.value.body, used: message.used };
}
