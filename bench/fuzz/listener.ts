/** Conversations that go wrong at a live proxy, many at once: plain, in TLS, in pieces, half closed, silent. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { LOGIN_MS_MAX } from '../../model/limits.ts';
import {
  clientFinal,
  clientFirst,
  firstPackets,
  NONCE,
  passwordMessage,
  saslInitial,
  SSL_REQUEST,
  startupOf,
} from './corpus.ts';
import { mutate, pick, randomBytes } from './mutate.ts';

const AT_ONCE = 100;
/** Every login is over by then, whatever the client does. */
const OVER_MS_MAX = LOGIN_MS_MAX + 5_000;
/** What a client waits for an answer before it goes on all the same. */
const ANSWER_MS_MAX = 200;
const HANDSHAKE_MS_MAX = 2_000;

export interface ListenerOptions {
  readonly port: number;
  readonly database: string;
  readonly random: () => number;
  readonly untilMs: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface Conversed {
  readonly conversations: number;
  /** That were not over in time. */
  readonly hangs: number;
}

/** In one piece, or in some with a moment in between. */
async function send(socket: Socket, bytes: Buffer, random: () => number): Promise<void> {
  if (random() < 0.7) return void socket.write(bytes);
  for (let at = 0; at < bytes.length;) {
    const to = at + 1 + Math.floor(random() * Math.min(200, bytes.length));
    socket.write(bytes.subarray(at, to));
    at = to;
    await delay(Math.floor(random() * 4));
  }
}

const answered = (socket: Socket): Promise<unknown> =>
  Promise.race([once(socket, 'data').catch(() => undefined), delay(ANSWER_MS_MAX)]);

/** What is sent, one after the other's answer: all but the last is right. */
function scriptOf(database: string, random: () => number): readonly Buffer[] {
  const wrong = (bytes: Buffer, others: readonly Buffer[] = [bytes]): Buffer =>
    mutate(bytes, others, random);
  const first = firstPackets(database);
  const start = startupOf(database);
  const final = passwordMessage(Buffer.from(clientFinal(`${NONCE}x`)));
  switch (Math.floor(random() * 6)) {
    case 0:
      return [randomBytes(1 + Math.floor(random() * 300), random)];
    case 1:
      return [wrong(pick(first, random), first)];
    case 2:
      return [start, wrong(saslInitial())];
    case 3:
      return [start, saslInitial(clientFirst(pick(['n,,', 'y,,'], random))), wrong(final)];
    case 4:
      return [Buffer.concat([start, saslInitial(), final])];
    default:
      return [pick(first, random), wrong(start)];
  }
}

async function inTls(plain: Socket, random: () => number): Promise<Socket | undefined> {
  if (random() < 0.7) {
    plain.write(SSL_REQUEST);
    await answered(plain);
  }
  const secure = connectTls({
    socket: plain,
    rejectUnauthorized: false,
    ALPNProtocols: ['postgresql'],
  });
  secure.on('error', () => undefined);
  const ready = once(secure, 'secureConnect').then(
    () => true,
    () => false,
  );
  return (await Promise.race([ready, delay(HANDSHAKE_MS_MAX)])) === true ? secure : undefined;
}

/** @returns whether it was over in time. */
async function converse({ port, database, random }: ListenerOptions): Promise<boolean> {
  const plain = connect(port, '127.0.0.1');
  plain.on('error', () => undefined);
  const closed = once(plain, 'close').then(
    () => true,
    () => true,
  );
  const script = scriptOf(database, random);
  const socket = (random() < 0.25 ? await inTls(plain, random) : plain) ?? plain;
  socket.resume();
  for (const [i, bytes] of script.entries()) {
    if (plain.destroyed) break;
    await send(socket, bytes, random);
    if (i < script.length - 1) await answered(socket);
  }
  const how = random();
  if (how < 0.5) socket.end();
  else if (how < 0.7) plain.destroy();
  const over = await Promise.race([closed, delay(OVER_MS_MAX, false)]);
  plain.destroy();
  return over;
}

/** Until the time is over; then those that are under way end. */
export async function fuzzListener(options: ListenerOptions): Promise<Conversed> {
  const counts = { conversations: 0, hangs: 0 };
  async function lane(): Promise<void> {
    while (performance.now() < options.untilMs && !options.signal.aborted) {
      const isOver = await converse(options);
      counts.conversations += 1;
      if (!isOver) counts.hangs += 1;
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return counts;
}
