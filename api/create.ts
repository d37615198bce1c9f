/**
 * The create verb: a row and a slot in one durable statement, then the agent makes the database of
 * the slot's warm directory, or of a clone. The password is made here, shown once, and kept nowhere.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { makePassword, withPassword } from '../lib/verifier.ts';
import { AppError, codeOf } from '../model/errors.ts';
import { DATABASE_ID_BYTES, OWNER_ROLE, databaseIdOf } from '../model/ids.ts';
import type { NewIdentity } from '../model/identity.ts';
import { STARTING_MS_MAX } from '../model/limits.ts';
import type { CreateAnswer, CreateRequest, Incarnation } from '../model/wire.ts';
import { databaseCreate, databaseCreateUndo, type CreateClaim } from '../db/hot/database-create.ts';
import { databaseRunning } from '../db/hot/database-running.ts';
import { isDuplicateOf } from '../db/hot/pool.ts';
import type { Context } from './context.ts';

export interface CreateCall {
  readonly spec: Omit<NewIdentity, 'id' | 'roles' | 'created_at' | 'deleted_at' | 'limits'>;
  readonly key: string | undefined;
  readonly requestId: string;
}

/** Tries on other slots or hosts before the create is refused. */
const TRIES = 4;

/** With a key the id follows from it, so that a repeat can not make a second database. */
function newId(deps: Context, tenant: string, key: string | undefined): string {
  if (key === undefined) return databaseIdOf(randomBytes(DATABASE_ID_BYTES));
  const mac = createHmac('sha256', deps.fleetSecret).update(
    JSON.stringify(['create', tenant, key]),
  );
  return databaseIdOf(mac.digest());
}

async function claim(deps: Context, identity: NewIdentity): Promise<CreateClaim> {
  try {
    const hosts = deps.fleet.liveHosts(deps.now());
    const claimed = await databaseCreate(deps.hot, identity, hosts, STARTING_MS_MAX);
    if (claimed === undefined) throw new AppError('no_capacity');
    return claimed;
  } catch (error) {
    if (isDuplicateOf(error, 'database_pkey', 'assignment_pkey'))
      throw new AppError('already_created', { data: { id: identity.id }, cause: error });
    throw error;
  }
}

interface Made {
  readonly at: Incarnation;
  readonly source: 'warm' | 'clone';
}

/** An agent that did not answer may have made it all the same, and answers a repeat the same. */
async function createSurely(
  deps: Context,
  host: string,
  request: CreateRequest,
  requestId: string,
): Promise<Incarnation> {
  try {
    return await deps.agents.create(host, request, requestId);
  } catch (error) {
    if (codeOf(error) !== 'unavailable') throw error;
    return deps.agents.create(host, request, requestId);
  }
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
    deps.fleet.started(host, at);
    await databaseRunning(deps.hot, host, at);
    return { at, source };
  } catch (error) {
    await databaseCreateUndo(deps.hot, database);
    deps.fleet.resync(host);
    const code = codeOf(error);
    deps.log.warn({ database, host, slot, source, code }, 'a create came to nothing');
    if (code === 'internal' || code === 'storage_full') throw error;
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

/**
 * @throws AppError `already_created` for a key that has been used, `no_capacity`, `storage_full`.
 */
export async function createDatabase(deps: Context, call: CreateCall): Promise<CreateAnswer> {
  const id = newId(deps, call.spec.tenant, call.key);
  const password = makePassword();
  const { roles } = await withPassword({ [OWNER_ROLE]: { verifiers: [] } }, OWNER_ROLE, password);
  const identity: NewIdentity = {
    ...call.spec,
    id,
    roles,
    limits: {},
    created_at: new Date().toISOString(),
    deleted_at: null,
  };
  const { at, source } = await make(deps, identity, call.requestId);
  return {
    id,
    tenant: identity.tenant,
    size: identity.size,
    epoch: at.epoch,
    cold_start: source,
    role: OWNER_ROLE,
    password,
    connection_string: `postgresql://${OWNER_ROLE}:${password}@${deps.proxyAddress}/${id}`,
  };
}
