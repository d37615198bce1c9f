import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AppError, ERRORS, type ErrorCode } from '../../model/errors.ts';
import { STARTUP_BYTES_MAX } from '../../model/limits.ts';
import { createGreeting } from '../../proxy/backend.ts';
import { errorResponse } from '../../proxy/errors.ts';
import { decodeFirstPacket } from '../../proxy/startup.ts';
import {
  decodeBackendKey,
  decodeErrorResponse,
  decodeMessage,
  decodeSaslInitial,
  encodeBackendKey,
  encodeCancelRequest,
  encodeErrorResponse,
  encodeMessage,
  encodeSasl,
  encodeStartup,
  MESSAGE,
  PASSED_CANCEL_CODE,
} from '../../proxy/wire.ts';
import { saslInitial, startupPacket } from './scram-client.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((s) => !s.includes('\0'));
const name = text.filter((s) => s !== '');
const parameters = fc.dictionary(name, text, { maxKeys: 8, noNullPrototype: true });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const secretOf = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => Buffer.from(bytes));
/** 4 bytes until 3.1, up to 256 since 3.2. */
const key = fc.record({ pid: int32, secret: fc.oneof(secretOf(4, 4), secretOf(1, 256)) });

function codeThrown(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'nothing';
}

/** Feeds a decoder bit by bit, as a socket may; counts how often it wanted more. */
function pieces<T>(
  whole: Buffer,
  cuts: readonly number[],
  decode: (bytes: Buffer) => T | undefined,
) {
  const ends = [...new Set(cuts.map((cut) => cut % whole.length))].sort((a, b) => a - b);
  for (const end of ends) {
    if (decode(whole.subarray(0, end)) !== undefined) throw new Error('decoded a part');
  }
  return decode(whole);
}

describe('the first packet', () => {
  test('is read the same however it is cut, and takes exactly its own bytes', () => {
    fc.assert(
      fc.property(parameters, fc.array(fc.nat()), fc.uint8Array(), (wanted, cuts, after) => {
        const packet = encodeStartup(Object.entries(wanted));
        pieces(packet, cuts, decodeFirstPacket);
        const decoded = decodeFirstPacket(Buffer.concat([packet, after]));
        expect(decoded?.used).toBe(packet.length);
        expect(decoded?.value).toEqual({
          kind: 'startup',
          minor: 0,
          parameters: new Map(Object.entries(wanted)),
        });
      }),
    );
  });

  test('of any bytes is a packet, a part of one, or a typed error; never another exception', () => {
    const allowed = ['nothing', 'protocol_violation', 'startup_too_large', 'unsupported_protocol'];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(300), (bytes, length) => {
        const plain = Buffer.from(bytes);
        const framed = Buffer.concat([Buffer.alloc(8), plain]);
        framed.writeUInt32BE(length, 0);
        framed.writeUInt32BE(196608, 4);
        for (const packet of [plain, framed])
          expect(allowed).toContain(codeThrown(() => decodeFirstPacket(packet)));
      }),
    );
  });

  test('above the limit is refused by its length alone', () => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(STARTUP_BYTES_MAX + 1, 0);
    expect(codeThrown(() => decodeFirstPacket(head))).toBe('startup_too_large');
    head.writeUInt32BE(STARTUP_BYTES_MAX, 0);
    expect(decodeFirstPacket(head)).toBeUndefined();
    head.writeUInt32BE(0xffffffff, 0);
    expect(codeThrown(() => decodeFirstPacket(head))).toBe('protocol_violation');
  });

  test.each([
    ['no terminator', 'user\0owner\0'],
    ['a name without a value', 'user\0\0'],
    ['bytes after the terminator', 'user\0owner\0\0more\0\0'],
    ['nothing at all', ''],
  ])('with %s is a violation', (_, body) => {
    const packet = Buffer.concat([startupPacket({}).subarray(0, 8), Buffer.from(body)]);
    packet.writeInt32BE(packet.length, 0);
    expect(codeThrown(() => decodeFirstPacket(packet))).toBe('protocol_violation');
  });

  test('a cancel request carries its key; one of an impossible length carries none', () => {
    fc.assert(
      fc.property(key, (wanted) => {
        for (const isPassed of [false, true]) {
          const packet = encodeCancelRequest(wanted, isPassed ? PASSED_CANCEL_CODE : undefined);
          const value = { kind: 'cancel', key: wanted, isPassed };
          expect(decodeFirstPacket(packet)?.value).toEqual(value);
        }
      }),
    );
    for (const bytes of [8, 12, 269, 300]) {
      const packet = Buffer.concat([encodeCancelRequest({ pid: 1, secret: Buffer.alloc(bytes) })]);
      packet.writeInt32BE(bytes, 0);
      expect(decodeFirstPacket(packet.subarray(0, bytes))?.value).toEqual({
        kind: 'cancel',
        key: undefined,
        isPassed: false,
      });
    }
  });

  test('of TLS is told by its first byte, and nothing of it is taken', () => {
    const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    for (const bytes of [hello.subarray(0, 1), hello])
      expect(decodeFirstPacket(bytes)).toEqual({ value: { kind: 'hello' }, used: 0 });
  });
});

describe('a message', () => {
  test('is read as it was written, however it is cut', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.nat(255), bytes, fc.array(fc.nat()), (type, body, cuts) => {
        const whole = encodeMessage(type, body);
        const decoded = pieces(whole, cuts, (part) => decodeMessage(part, 0, 300));
        expect(decoded).toEqual({ value: { type, body: Buffer.from(body) }, used: whole.length });
      }),
    );
  });

  test('longer than its bound is a violation before it has come', () => {
    const head = encodeMessage(MESSAGE.password, Buffer.alloc(301)).subarray(0, 5);
    expect(codeThrown(() => decodeMessage(head, 0, 300))).toBe('protocol_violation');
    head.writeInt32BE(3, 1);
    expect(codeThrown(() => decodeMessage(head, 0, 300))).toBe('protocol_violation');
  });

  test('keys and errors round-trip', () => {
    fc.assert(
      fc.property(key, (wanted) => {
        expect(decodeBackendKey(encodeBackendKey(wanted).subarray(5))).toEqual(wanted);
      }),
    );
    fc.assert(
      fc.property(name, name, (message, hint) => {
        const fields = { S: 'FATAL', C: '57P03', M: message, H: hint };
        expect(decodeErrorResponse(encodeErrorResponse(fields).subarray(5))).toEqual(fields);
      }),
    );
  });

  test('SASLInitialResponse round-trips, and any other bytes are a violation', () => {
    fc.assert(
      fc.property(name, text, fc.uint8Array({ maxLength: 60 }), (mechanism, data, junk) => {
        const body = saslInitial(data, mechanism).subarray(5);
        expect(decodeSaslInitial(body)).toEqual({ mechanism, data });
        expect(codeThrown(() => decodeSaslInitial(body.subarray(0, -1)))).not.toBe('nothing');
        expect(['nothing', 'protocol_violation']).toContain(
          codeThrown(() => decodeSaslInitial(Buffer.from(junk))),
        );
      }),
    );
  });
});

describe('an ErrorResponse', () => {
  test('of every code of the table has its severity, SQLSTATE and text', () => {
    for (const [code, { sqlstate, message }] of Object.entries(ERRORS)) {
      const fields = decodeErrorResponse(
        errorResponse(new AppError(code as ErrorCode)).subarray(5),
      );
      expect(fields).toMatchObject({ S: 'FATAL', V: 'FATAL', C: sqlstate, M: message });
    }
  });

  test('of a refused login has the words of Postgres', () => {
    const fields = decodeErrorResponse(
      errorResponse(new AppError('login_refused'), 'x').subarray(5),
    );
    expect(fields).toMatchObject({ C: '28P01', M: 'password authentication failed for user "x"' });
  });

  test('says an estimate in seconds, and of a bug nothing', () => {
    const waking = new AppError('waking', { data: { estimate_ms: 2_100 } });
    expect(decodeErrorResponse(errorResponse(waking).subarray(5))).toMatchObject({
      H: 'Try again in about 3 s.',
    });
    const bug = decodeErrorResponse(errorResponse(new Error('secret'), 'x').subarray(5));
    expect(bug).toEqual({ S: 'FATAL', V: 'FATAL', C: 'XX000', M: 'internal error' });
  });
});

describe("Postgres' greeting", () => {
  const ok = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);
  const status = encodeMessage(MESSAGE.parameterStatus, Buffer.from('a\0b\0'));
  const ready = encodeMessage(MESSAGE.readyForQuery, Buffer.from('I'));
  const error = (code: string, message = ''): Buffer =>
    encodeErrorResponse({ S: 'FATAL', C: code, M: message });

  function feed(whole: Buffer, cuts: readonly number[]) {
    const greeting = createGreeting();
    const ends = [...new Set(cuts.map((cut) => cut % whole.length)), whole.length];
    let from = 0;
    for (const end of ends.sort((a, b) => a - b)) {
      const result = greeting.push(whole.subarray(from, end));
      if (result !== undefined) return result;
      from = end;
    }
    return undefined;
  }

  test('comes without the cancel key, however it is cut, and with what follows', () => {
    fc.assert(
      fc.property(key, fc.array(fc.nat()), (wanted, cuts) => {
        const whole = Buffer.concat([ok, status, encodeBackendKey(wanted), status, ready]);
        const result = feed(whole, cuts);
        if (result?.kind !== 'ready') throw new Error('not ready');
        expect(result.key).toEqual(wanted);
        expect(result.greeting.head).toEqual(Buffer.concat([ok, status]));
        expect(result.greeting.tail).toEqual(Buffer.concat([status, ready]));
      }),
    );
  });

  test.each([
    ['starting up', error('57P03', 'the database system is starting up'), 'later'],
    ['shutting down', error('57P03', 'the database system is shutting down'), 'gone'],
    ['too many connections', error('53300'), 'refused'],
    ['no entry for us', error('28000'), 'unfit'],
    ['a wish for a password', encodeSasl(['SCRAM-SHA-256']), 'unfit'],
    ['an error after the login', Buffer.concat([ok, error('3D000')]), 'refused'],
    ['garbage', encodeMessage(0x21, Buffer.alloc(3)), 'unfit'],
  ])('that is %s is told apart', (_, whole, kind) => {
    expect(feed(whole, [])?.kind).toBe(kind);
  });
});
