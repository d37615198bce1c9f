/**
 * The server's side of a SCRAM-SHA-256 exchange (RFC 5802 section 7, RFC 7677), with and without
 * channel binding. Pure: the nonce comes in as an argument. src/backend/libpq/auth-scram.c is the model of
 * what is strict and what is let pass.
 */
import { checkProof } from '../lib/scram.ts';
import { type Verifier } from '../lib/verifier.ts';
import { AppError } from '../model/errors.ts';

const PLAIN = 'SCRAM-SHA-256';
const PLUS = 'SCRAM-SHA-256-PLUS';

/** @param bindable inside TLS, with a certificate to which a client can bind. */
export const mechanismsOf = (bindable: boolean): readonly string[] =>
  bindable ? [PLUS, PLAIN] : [PLAIN];

const violation = (detail: string): AppError => new AppError('protocol_violation', { detail });

export interface ClientFirst {
  /** `n,,`, `y,,` or `p=tls-server-end-point,,`: with it `c=` of the final message begins. */
  readonly gs2Header: string;
  readonly bare: string;
  readonly nonce: string;
}

/** Printable ASCII but the comma. */
const NONCE = /^[\x21-\x2b\x2d-\x7e]+$/;
const CLIENT_FIRST = /^((?:[ny]|p=[A-Za-z0-9.-]+),,)(n=[^,]*,r=([^,]*)(?:,[A-Za-z]=[^,]*)*)$/;
const BOUND = 'p=tls-server-end-point,,';

/**
 * @param mechanism which the client chose.
 * @param offered to choose from.
 * @throws AppError `protocol_violation`
 */
export function parseClientFirst(
  text: string,
  mechanism: string,
  offered: readonly string[],
): ClientFirst {
  if (!offered.includes(mechanism)) throw violation('there is no such SASL mechanism');
  if (/^(?:[ny]|p=[^,]*),a=/.test(text))
    throw violation('authorization identities are not supported');
  const match = CLIENT_FIRST.exec(text);
  const [, gs2Header, bare, nonce] = match ?? [];
  if (gs2Header === undefined || bare === undefined || nonce === undefined || !NONCE.test(nonce))
    throw violation('malformed SCRAM message');
  if (gs2Header.startsWith('p=') !== (mechanism === PLUS))
    throw violation(
      'the SCRAM message does not fit the mechanism: one of them binds to the channel',
    );
  if (mechanism === PLUS && gs2Header !== BOUND)
    throw violation('there is no such SCRAM channel binding');
  return { gs2Header, bare, nonce };
}

/**
 * True if the client could bind to the channel and was made to believe that we can not: somebody on
 * the way has changed our offer, and the login must fail (RFC 5802 section 6).
 */
export const isDowngraded = (first: ClientFirst, offered: readonly string[]): boolean =>
  first.gs2Header.startsWith('y') && offered.includes(PLUS);

export interface Exchange {
  readonly first: ClientFirst;
  /** The server's first message, to be sent to the client. */
  readonly serverFirst: string;
  /** Client's and server's nonce together. */
  readonly nonce: string;
  /** What the final message must have as `c=`. */
  readonly binding: string;
}

/**
 * Answers the client's first message with the salt and the iterations of `verifier`.
 * @param endPoint what the client binds to, if it does.
 */
export function beginExchange(
  first: ClientFirst,
  serverNonce: string,
  verifier: Pick<Verifier, 'salt' | 'iterations'>,
  endPoint: Buffer = Buffer.alloc(0),
): Exchange {
  const nonce = first.nonce + serverNonce;
  const salt = verifier.salt.toString('base64');
  const bound = first.gs2Header === BOUND ? endPoint : Buffer.alloc(0);
  const binding = Buffer.concat([Buffer.from(first.gs2Header), bound]).toString('base64');
  return { first, nonce, binding, serverFirst: `r=${nonce},s=${salt},i=${verifier.iterations}` };
}

const CLIENT_FINAL = /^(c=([^,]*),r=([^,]*)(?:,[A-Za-z]=[^,]*)*),p=([A-Za-z0-9+/]{43}=)$/;

/**
 * Judges the client's final message by each of the verifiers (two during a rotation; they share salt
 * and iterations).
 * @returns the server's final message, or undefined if the proof fits none.
 * @throws AppError `protocol_violation` for what no honest client sends
 */
export function finishExchange(
  exchange: Exchange,
  text: string,
  verifiers: readonly Verifier[],
): string | undefined {
  const match = CLIENT_FINAL.exec(text);
  const [, withoutProof, binding, nonce, proof] = match ?? [];
  if (withoutProof === undefined || proof === undefined) throw violation('malformed SCRAM message');
  // Judged before the proof, and by what the client and TLS say alone: it tells nothing of passwords.
  if (binding !== exchange.binding) throw violation('the SCRAM channel binding does not fit');
  if (nonce !== exchange.nonce) throw violation('the SCRAM nonce does not fit');
  const authMessage = `${exchange.first.bare},${exchange.serverFirst},${withoutProof}`;
  for (const verifier of verifiers) {
    const signature = checkProof(verifier, authMessage, Buffer.from(proof, 'base64'));
    if (signature !== undefined) return `v=${signature.toString('base64')}`;
  }
  return undefined;
}
