/**
 * The login: who the client is, judged by the stored verifiers before anything is woken. An unknown
 * database, an unknown role and a wrong password take the same way and look the same.
 */
import { randomBytes } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import { mockVerifier } from '../lib/scram.ts';
import { parseVerifier, type Verifier } from '../lib/verifier.ts';
import { AppError } from '../model/errors.ts';
import { isTenantRole } from '../model/tenant-role.ts';
import { LOGIN_REFUSED_MS, SCRAM_ITERATIONS } from '../model/limits.ts';
import type { AccessAnswer } from '../model/wire.ts';
import type { AccessCache, AccessLook } from './access-cache.ts';
import { decodePassword } from './client-reader.ts';
import { NEEDS_TLS, NO_LOGIN, NO_REPLICATION } from './errors.ts';
import type { Front } from './front.ts';
import {
  beginExchange,
  finishExchange,
  isDowngraded,
  mechanismsOf,
  parseClientFirst,
} from './scram-exchange.ts';
import type { Login } from './startup.ts';
import {
  decodeSaslInitial,
  decodeSaslResponse,
  encodeNegotiateProtocolVersion,
  encodeSasl,
  encodeSaslContinue,
  encodeSaslFinal,
} from './wire.ts';

/** SCRAM_RAW_NONCE_LEN of src/include/common/scram-common.h. */
const NONCE_BYTES = 18;

/** The verifiers of a role, or one that no password fits. */
export function verifiersOf(
  access: AccessAnswer | undefined,
  login: Pick<Login, 'database' | 'role'>,
  fleetSecret: string,
): readonly [Verifier, ...Verifier[]] {
  const known =
    access !== undefined && isTenantRole(login.role) && Object.hasOwn(access.roles, login.role);
  const role = known ? access.roles[login.role] : undefined;
  // As Postgres does it: no password fits any more, and nobody is told why.
  const isOver = role?.valid_until !== undefined && role.valid_until <= Date.now();
  const texts = isOver ? [] : (role?.verifiers ?? []);
  const [first, ...others] = texts.map(parseVerifier).filter((verifier) => verifier !== undefined);
  if (first === undefined)
    return [mockVerifier(fleetSecret, `${login.database}/${login.role}`, SCRAM_ITERATIONS)];
  return [first, ...others];
}

/** An address or a CIDR block. */
const BLOCK = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/;

/** True if the allow list is empty or has a block with this address. */
export function isAllowed(allow: readonly string[], source: string): boolean {
  if (allow.length === 0) return true;
  const blocks = new BlockList();
  for (const text of allow) {
    const [, net = '', bits] = BLOCK.exec(text) ?? [];
    const version = isIP(net);
    const whole = version === 4 ? 32 : 128;
    // A block that can not be read opens nothing.
    if (version === 0 || Number(bits ?? whole) > whole) continue;
    blocks.addSubnet(net, Number(bits ?? whole), version === 4 ? 'ipv4' : 'ipv6');
  }
  return blocks.check(source, isIP(source) === 4 ? 'ipv4' : 'ipv6');
}

export interface AuthenticateOptions {
  readonly front: Front;
  readonly login: Login;
  /** The client's address. */
  readonly source: string;
  readonly access: AccessCache;
  readonly fleetSecret: string;
  /** Monotonic milliseconds until which the access entry may be waited for. */
  readonly deadline: number;
  readonly signal: AbortSignal;
  /** Called before the proof is judged; may throw. */
  readonly beforeJudgement: () => void;
  /** Told how many milliseconds the proof had to wait for the access entry. */
  readonly onAccess: (waitedMs: number) => void;
}

/** What a right password alone does not open. Told only to who has it. */
function checkRules(
  access: AccessAnswer | undefined,
  { front, login, source }: AuthenticateOptions,
): void {
  if (access === undefined) return;
  if (access.roles[login.role]?.login === false)
    throw new AppError('not_allowed', { detail: NO_LOGIN });
  if (access.tls === 'required' && front.channel === undefined)
    throw new AppError('not_allowed', { detail: NEEDS_TLS });
  if (!isAllowed(access.allow, source))
    throw new AppError('not_allowed', { detail: 'it takes no connections from this address' });
  // A walsender would keep the database awake for ever, and holds back its WAL while it is asleep.
  if (login.replication) throw new AppError('not_allowed', { detail: NO_REPLICATION });
}

/** The client was told this salt and count, so that verifiers with others can not be meant. */
const withSaltOf = (sent: Verifier, verifiers: readonly Verifier[]): readonly Verifier[] =>
  verifiers.filter((v) => v.iterations === sent.iterations && v.salt.equals(sent.salt));

/**
 * What a false proof is judged by once more. In the time that its refusal takes anyway: it neither
 * leaves later nor sooner for being right or wrong.
 * @throws the signal's reason
 */
async function accessAgain(
  look: AccessLook,
  { front, signal }: AuthenticateOptions,
): Promise<AccessAnswer | undefined> {
  const left = Math.max(
    0,
    Math.ceil(front.reader.arrivedAt() + LOGIN_REFUSED_MS - performance.now()),
  );
  try {
    return await look.again(AbortSignal.any([signal, AbortSignal.timeout(left)]));
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}

/**
 * Runs the SCRAM exchange. Returns when the client has proven its password; the server's signature
 * is on its way then, AuthenticationOk is not.
 * The salt may be of a remembered entry, the judgement is by one of two seconds at most while an api
 * answers: it is asked for while the client computes. A proof that this one refuses is judged once
 * more by an entry that was asked for since the login began, so that a new password counts at once.
 * A remembered salt costs a login only when its role's salt has just changed.
 * @throws AppError `login_refused`, `not_allowed`, `protocol_violation`, `waking`
 */
export async function authenticate(options: AuthenticateOptions): Promise<void> {
  const { front, login, fleetSecret } = options;
  const { reader, socket, channel } = front;
  const look = options.access.look(login.database, options.deadline, options.signal);
  const mechanisms = mechanismsOf(channel?.endPoint !== undefined);
  const offer = encodeSasl(mechanisms);
  const negotiation = encodeNegotiateProtocolVersion(login.minor, login.unrecognized);
  socket.write(login.negotiate ? Buffer.concat([negotiation, offer]) : offer);

  const initial = decodeSaslInitial(await reader.read(decodePassword));
  const first = parseClientFirst(initial.data, initial.mechanism, mechanisms);
  const [sent] = verifiersOf(await look.salt, login, fleetSecret);
  const nonce = randomBytes(NONCE_BYTES).toString('base64');
  const exchange = beginExchange(first, nonce, sent, channel?.endPoint);
  socket.write(encodeSaslContinue(exchange.serverFirst));

  const proof = decodeSaslResponse(await reader.read(decodePassword));
  const provenAt = performance.now();
  let access = await look.fresh;
  options.beforeJudgement();
  const judge = (): string | undefined => {
    const verifiers = withSaltOf(sent, verifiersOf(access, login, fleetSecret));
    const signature = finishExchange(exchange, proof, verifiers);
    // The same work, and the same words as for a wrong password: nobody on the way is to learn more.
    return isDowngraded(first, mechanisms) ? undefined : signature;
  };
  let signature = judge();
  if (signature === undefined) {
    access = await accessAgain(look, options);
    signature = judge();
  }
  options.onAccess(performance.now() - provenAt);
  if (signature === undefined) throw new AppError('login_refused');
  checkRules(access, options);
  socket.write(encodeSaslFinal(signature));
}
