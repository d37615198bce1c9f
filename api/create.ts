/**
 * The create verb: a row and a slot in one durable statement, then the agent makes the database of
 * the slot's warm directory, or of a clone. The password is made here, shown once, and kept nowhere.
 */
import { keyedId, randomId, requestHash } from '../lib/create-key.ts';
import { makePassword, withPassword } from '../lib/verifier.ts';
import { AppError, codeOf } from '../model/errors.ts';
import { OWNER_ROLE } from '../model/ids.ts';
import type { NewIdentity } from '../model/identity.ts';
import { STARTING_MS_MAX, TENANT_LIMITS } from '../model/limits.ts';
import type { CreateAnswer, CreateRequest, Incarnation } from '../model/wire.ts';
import { databaseCreate, databaseCreateUndo } from '../db/hot/database-create.ts';
import type { CreateClaim } from '../db/hot/rows.ts';
import { isDuplicateOf } from '../db/hot/pool.ts';
import { anyHost, orAway } from './anywhere.ts';
import { remember } from './attempt.ts';
import type { Context, CreateCall, Made } from './context.ts';
import { repeatCreate } from './repeat.ts';

/** Tries on other slots or hosts before the create is refused. */
const TRIES = 4;

type Claimed = CreateClaim & { readonly host: string };

async function claim(deps: Context, identity: NewIdentity): Promise<Claimed> {
  const databasesMax = identity.limits['databases'] ?? TENANT_LIMITS.databases;
  const look = (): Promise<CreateClaim> => {
    const hosts = deps.fleet.liveHosts(deps.now());
    return databaseCreate(deps.hot, identity, hosts, STARTING_MS_MAX, databasesMax);
  };
  const isNone = ({ allowed, host }: CreateClaim): boolean => allowed && host === null;
  try {
    const first = await look();
    const found = isNone(first) ? await deps.room[identity.size].wait(look, isNone) : first;
    if (found.host === null) throw new AppError('too_many_databases');
    return { ...found, host: found.host };
  } catch (error) {
    if (isDuplicateOf(error, 'database_pkey', 'assignment_pkey'))
      throw new AppError('already_created', { data: { id: identity.id }, cause: error });
    throw error;
  }
}

/** An agent that did not answer may have made it all the same, and answers a repeat the same. */
function createSurely(
  { agents }: Context,
  host: string,
  request: CreateRequest,
  requestId: string,
): Promise<Incarnation> {
  return agents.create(host, request, requestId).catch((error: unknown) => {
    if (codeOf(error) !== 'unavailable') throw error;
    return agents.create(host, request, requestId);
  });
}

/** @returns undefined if another slot may do better. */
async function makeOne(
  deps: Context,
  identity: NewIdentity,
  requestId: string,
): Promise<Made | undefined> {
  const { id: database, size } = identity;
  const { host, slot, source } = await claim(deps, identity);
  try {
    const request = { database, size, slot, source, identity };
    const at = await createSurely(deps, host, request, requestId);
    remember(deps, host, at);
    return { at, source };
  } catch (error) {
    await databaseCreateUndo(deps.hot, database);
    const code = codeOf(error);
    deps.log.warn({ database, host, slot, source, code }, 'a create came to nothing');
    // `identity_conflict`: made while the index was away.
    if (['identity_conflict', 'internal', 'storage_full'].includes(code)) throw error;
    return undefined;
  }
}

async function make(deps: Context, identity: NewIdentity, requestId: string): Promise<Made> {
  for (let tries = 0; tries < TRIES; tries++) {
    const made = await makeOne(deps, identity, requestId);
    if (made !== undefined) return made;
  }
  throw new AppError('no_capacity', { detail: 'no host could make it' });
}

/** The index is away: any warm slot of any host, else a clone. The row appears with that host's next report. */
async function makeAnywhere(
  deps: Context,
  identity: NewIdentity,
  requestId: string,
  source: Made['source'] = 'warm',
): Promise<Made> {
  const request = { database: identity.id, size: identity.size, source, identity };
  const makeAt = async (host: string): Promise<Made> => {
    const at = await createSurely(deps, host, request, requestId);
    deps.fleet.started(host, at);
    deps.adopter.owe(identity.id);
    return { at, source };
  };
  return anyHost(deps, makeAt, (code) => code === 'identity_conflict').catch((error: unknown) => {
    if (source === 'clone' || codeOf(error) !== 'no_capacity') throw error;
    return makeAnywhere(deps, identity, requestId, 'clone');
  });
}

/** @returns the epoch, and how it came about: made, or found made already by this key. */
async function makeOnce(
  deps: Context,
  identity: NewIdentity,
  password: string,
  requestId: string,
): Promise<Pick<CreateAnswer, 'epoch' | 'cold_start'>> {
  try {
    const making = make(deps, identity, requestId);
    const { at, source } = await orAway(making, () => makeAnywhere(deps, identity, requestId));
    return { epoch: at.epoch, cold_start: source };
  } catch (error) {
    if (!['already_created', 'identity_conflict'].includes(codeOf(error))) throw error;
    const epoch = await repeatCreate(deps, identity, password, requestId);
    return { epoch, cold_start: 'repeat' };
  }
}

/**
 * @throws AppError what `repeatCreate` does for a key that has been used; `no_capacity`,
 * `storage_full`; `unavailable` without index and hosts.
 */
export async function createDatabase(deps: Context, call: CreateCall): Promise<CreateAnswer> {
  const { spec, key } = call;
  const id = key === undefined ? randomId() : keyedId(deps.fleetSecret, spec.tenant, key);
  const password = makePassword();
  const { roles } = await withPassword({ [OWNER_ROLE]: { verifiers: [] } }, OWNER_ROLE, password);
  const identity: NewIdentity = {
    ...spec,
    id,
    roles,
    limits: await deps.tenants.createTurn(spec.tenant),
    ...(key === undefined ? {} : { request: requestHash(spec) }),
    created_at: new Date().toISOString(),
    deleted_at: null,
  };
  const made = await makeOnce(deps, identity, password, call.requestId);
  return {
    id,
    tenant: identity.tenant,
    size: identity.size,
    ...made,
    role: OWNER_ROLE,
    password,
    connection_string: `postgresql://${OWNER_ROLE}:${password}@${deps.proxyAddress}/${id}`,
  };
}
