/**
 * A SCRAM-SHA-256 client written from RFC 5802 alone, sharing no code with lib/scram.ts, and the
 * login of a Postgres client over it, byte by byte.
 */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { RawClient } from './stage.ts';

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

export interface ClientProof {
  readonly final: string;
  /** What the server must answer: `v=…`. */
  readonly serverFinal: string;
}

/** Section 3: SaltedPassword, ClientProof, ServerSignature. */
export function prove(
  password: string,
  clientFirstBare: string,
  serverFirst: string,
  gs2Header = 'n,,',
  /** What `p=…` binds to. */
  endPoint: Buffer = Buffer.alloc(0),
): ClientProof {
  const fields = new Map(serverFirst.split(',').map((part) => [part.charAt(0), part.slice(2)]));
  const salt = Buffer.from(fields.get('s') ?? '', 'base64');
  const salted = pbkdf2Sync(password, salt, Number(fields.get('i')), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const storedKey = createHash('sha256').update(clientKey).digest();
  const binding = Buffer.concat([Buffer.from(gs2Header), endPoint]).toString('base64');
  const withoutProof = `c=${binding},r=${fields.get('r') ?? ''}`;
  const message = [clientFirstBare, serverFirst, withoutProof].join(',');
  const signature = hmac(storedKey, message);
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0)));
  return {
    final: `${withoutProof},p=${proof.toString('base64')}`,
    serverFinal: `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`,
  };
}

export function startupPacket(
  parameters: Readonly<Record<string, string>>,
  version = 196608,
): Buffer {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`);
  const body = Buffer.from(`${pairs.join('')}\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(body.length + 8, 0);
  head.writeInt32BE(version, 4);
  return Buffer.concat([head, body]);
}

export function passwordMessage(body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write('p');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export function saslInitial(data: string, mechanism = 'SCRAM-SHA-256'): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(Buffer.byteLength(data), 0);
  return passwordMessage(Buffer.concat([Buffer.from(`${mechanism}\0`), length, Buffer.from(data)]));
}

/** Length of AuthenticationSASL with the one mechanism. */
export const OFFER_BYTES = 1 + 4 + 4 + 'SCRAM-SHA-256'.length + 2;

/** How a client binds to the channel; by itself not at all. */
export interface Binding {
  readonly header?: string;
  readonly mechanism?: string;
  readonly endPoint?: Buffer;
}

/** Waits for a whole message at `offset`. @returns where it ends. */
async function messageEnd(client: RawClient, offset: number): Promise<number> {
  const head = await client.bytes(offset + 5);
  const end = offset + 1 + head.readInt32BE(offset + 1);
  await client.bytes(end);
  return end;
}

/**
 * Logs in and returns everything the proxy said until it closed, and the milliseconds from the
 * client's last message to that.
 */
export async function attempt(
  client: RawClient,
  login: { readonly user: string; readonly database: string; readonly password: string },
  { header = 'n,,', mechanism, endPoint }: Binding = {},
): Promise<{ said: Buffer; afterMs: number; wholeMs: number }> {
  const begun = performance.now();
  const bare = 'n=,r=fyko+d2lbbFgONRv9qkxdawL';
  client.socket.write(startupPacket({ user: login.user, database: login.database }));
  const offered = await messageEnd(client, 0);
  client.socket.write(saslInitial(`${header}${bare}`, mechanism));
  const end = await messageEnd(client, offered);
  const serverFirst = (await client.bytes(end)).toString('utf8', offered + 9, end);
  const { final } = prove(login.password, bare, serverFirst, header, endPoint);
  client.socket.write(passwordMessage(Buffer.from(final)));
  const sentAt = performance.now();
  const said = await client.all();
  return { said, afterMs: performance.now() - sentAt, wholeMs: performance.now() - begun };
}
