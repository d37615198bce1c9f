/**
 * The server's side of a SCRAM-SHA-256 exchange (RFC 5802 section 7, RFC 7677) without channel
 * binding. Pure: the nonce comes in as an argument. src/backend/libpq/auth-scram.c is the model of
 * what is strict and what is let pass.
 */
import { checkProof } from '../lib/scram.ts';
import { type Verifier } from '../lib/verifier.ts';
import { AppError } from '../model/errors.ts';

export const MECHANISM = 'SCRAM-SHA-256';

const violation = (detail: string): AppError => new AppError('protocol_violation', { detail });

export interface ClientFirst {
  /** `n,,` or `y,,`: what `c=` of the final message must repeat. */
  readonly gs2Header: string;
  readonly bare: string;
  readonly nonce: string;
}

/** Printable ASCII but the comma. */
const NONCE = /^[\x21-\x2b\x2d-\x7e]+$/;
/** `y`: the client could bind to the channel but believes that we can not; so it is, without TLS. */
const CLIENT_FIRST = /^([ny],,)(n=[^,]*,r=([^,]*)(?:,[A-Za-z]=[^,]*)*)$/;

/** @throws AppError `protocol_violation` */
export function parseClientFirst(text: string): ClientFirst {
  if (text.startsWith('p='))
    throw violation('the client binds to a channel that this connection does not have');
  if (/^[ny],a=/.test(text)) throw violation('authorization identities are not supported');
  const match = CLIENT_FIRST.exec(text);
  const [, gs2Header, bare, nonce] = match ?? [];
  if (gs2Header === undefined || bare === undefined || nonce === undefined || !NONCE.test(nonce))
    throw violation('malformed SCRAM message');
  return { gs2Header, bare, nonce };
}

export interface Exchange {
  readonly first: ClientFirst;
  /** The server's first message, to be sent to the client. */
  readonly serverFirst: string;
  /** Client's and server's nonce together. */
  readonly nonce: string;
}

/** Answers the client's first message with the salt and the iterations of `verifier`. */
export function beginExchange(
  first: ClientFirst,
  serverNonce: string,
  verifier: Pick<Verifier, 'salt' | 'iterations'>,
): Exchange {
  const nonce = first.nonce + serverNonce;
  const salt = verifier.salt.toString('base64');
  return { first, nonce, serverFirst: `r=${nonce},s=${salt},i=${verifier.iterations}` };
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
  if (binding !== Buffer.from(exchange.first.gs2Header).toString('base64'))
    throw violation('the SCRAM channel binding does not fit');
  if (nonce !== exchange.nonce) throw violation('the SCRAM nonce does not fit');
  const authMessage = `${exchange.first.bare},${exchange.serverFirst},${withoutProof}`;
  for (const verifier of verifiers) {
    const signature = checkProof(verifier, authMessage, Buffer.from(proof, 'base64'));
    if (signature !== undefined) return `v=${signature.toString('base64')}`;
  }
  return undefined;
}
