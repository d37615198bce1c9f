/** The contract, carried out by a simulated agent: each verb decides as the real one of its name. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { AppError } from '../model/errors.ts';
import type { Identity } from '../model/identity.ts';
import type {
  AgentSuspendAnswer,
  AgentSuspendRequest,
  ApplyAnswer,
  ApplyRequest,
  AttachRequest,
  CreateRequest,
  DegradedAttachRequest,
  HostReport,
  Incarnation,
  PurgeAnswer,
  SlotRef,
  WarmAnswer,
} from '../model/wire.ts';
import type { AgentVerbs, ShutdownAnswer, WarmRequest } from './contract.ts';
import {
  answerOf,
  checkOpen,
  directoryOf,
  endRun,
  nameOf,
  note,
  pause,
  processOf,
  startRun,
  type SimAgent,
} from './sim-runs.ts';
import { takeDirectory } from './sim-volume.ts';
import type { Slot } from './slots.ts';
import { checkSyncToken } from './sync-token.ts';

function readLiving({ volume }: SimAgent, database: string): Identity {
  const identity = volume.identity(database);
  if (identity === undefined) throw new AppError('database_not_found');
  if (identity.deleted_at !== null) throw new AppError('database_deleted');
  return identity;
}

type AnyAttach = AttachRequest | DegradedAttachRequest;

async function settleRunning(
  agent: SimAgent,
  request: AnyAttach,
): Promise<Incarnation | undefined> {
  const epoch = 'epoch' in request ? request.epoch : undefined;
  const slot = agent.slots.byDatabase(request.database);
  if (slot === undefined || slot.address === undefined) return undefined;
  const process = processOf(agent, slot);
  if (process !== undefined) {
    if (slot.epoch === epoch) return answerOf(agent, slot);
    const isWell = (epoch !== undefined && slot.epoch > epoch) || process.answers;
    if (isWell && epoch === undefined) return answerOf(agent, slot);
    if (isWell) throw new AppError('stale_epoch', { data: { minted: slot.epoch } });
  }
  await endRun(agent, slot, 'crashed', process === undefined ? 'found dead' : 'no answer');
  return undefined;
}

function slotFor(agent: SimAgent, request: AnyAttach): SlotRef {
  if ('slot' in request) return { size: request.size, slot: request.slot };
  checkSyncToken(request.sync_token, agent.slots.version().boot);
  const { size } = readLiving(agent, request.database);
  const slot = agent.slots.vacant(size);
  if (slot === undefined) throw new AppError('no_capacity');
  return { size, slot };
}

function attach(agent: SimAgent, request: AnyAttach): Promise<Incarnation> {
  const { database } = request;
  const epoch = 'epoch' in request ? request.epoch : undefined;
  return agent.queues.run(database, async () => {
    checkOpen(agent);
    const answer = await settleRunning(agent, request);
    if (answer !== undefined) return answer;
    const ref = slotFor(agent, request);
    const taken: Slot = { ...ref, state: 'starting', directory: '', epoch: 0, database };
    agent.slots.occupy(taken);
    let slot = taken;
    try {
      await pause(agent, 'occupied');
      slot = { ...taken, directory: readLiving(agent, database).directory, epoch: epoch ?? 0 };
      if (epoch !== undefined) agent.slots.update(slot);
      const run = await startRun(agent, slot, epoch, () => void readLiving(agent, database));
      const running: Slot = { ...run, state: 'running' };
      const version = agent.slots.update(running);
      note(agent, 'started', running);
      return answerOf(agent, running, version);
    } catch (error) {
      if (!agent.dead) agent.slots.vacate(taken);
      throw error;
    }
  });
}

function suspend(agent: SimAgent, request: AgentSuspendRequest): Promise<AgentSuspendAnswer> {
  const { database, epoch, if_idle } = request;
  const { slots } = agent;
  return agent.queues.run(database, async () => {
    if (agent.dead) checkOpen(agent);
    const slot = slots.byDatabase(database);
    const current = slot?.epoch === epoch && processOf(agent, slot) !== undefined;
    if (!current) return { ...slots.bump(), outcome: 'not_current' };
    if (if_idle && agent.volume.identity(database) === undefined)
      throw new AppError('database_not_found');
    if (if_idle && agent.isBusy(database)) return { ...slots.version(), outcome: 'busy' };
    return { ...(await endRun(agent, slot, 'suspended', 'asked')), outcome: 'suspended' };
  });
}

/** A blank directory, running as epoch 1, in a slot that the caller has occupied. */
async function build(agent: SimAgent, taken: Slot): Promise<Slot> {
  const directory = agent.volume.makeDirectory(agent.host);
  const slot: Slot = { ...taken, directory: directory.id, epoch: 1 };
  agent.slots.update(slot);
  return startRun(agent, slot, 1, () => undefined);
}

async function buildIn(agent: SimAgent, taken: Slot): Promise<Slot> {
  agent.slots.occupy(taken);
  try {
    return await build(agent, taken);
  } catch (error) {
    if (!agent.dead) agent.slots.vacate(taken);
    throw error;
  }
}

function warm(agent: SimAgent, wanted: WarmRequest): Promise<WarmAnswer> {
  const { slots } = agent;
  const number = wanted.slot ?? slots.vacant(wanted.size);
  if (number === undefined) return Promise.reject(new AppError('no_capacity'));
  const ref: SlotRef = { size: wanted.size, slot: number };
  return agent.queues.run(`slot ${ref.size} ${ref.slot}`, async () => {
    checkOpen(agent);
    const found = slots.get(ref);
    if (found?.state === 'warm')
      return { ...slots.version(), slot: ref.slot, directory: found.directory };
    const taken: Slot = { ...ref, state: 'building', directory: '', epoch: 0 };
    const built: Slot = { ...(await buildIn(agent, taken)), state: 'warm' };
    const version = slots.update(built);
    note(agent, 'warmed', built);
    return { ...version, slot: ref.slot, directory: built.directory };
  });
}

async function recycle(agent: SimAgent, ref: SlotRef): Promise<WarmAnswer> {
  const { slots, volume } = agent;
  if (agent.dead) checkOpen(agent);
  const slot = slots.get(ref);
  if (slot === undefined) return { ...slots.version(), slot: ref.slot, directory: '' };
  return agent.queues.run(nameOf(slot), async () => {
    const current = slots.get(ref);
    if (current?.state !== 'warm') throw new AppError('slot_taken');
    slots.update({ ...current, state: 'stopping' });
    await pause(agent, 'stopping');
    volume.removeDirectory(current.directory);
    note(agent, 'recycled', current);
    const version = slots.vacate(ref);
    return { ...version, slot: ref.slot, directory: current.directory };
  });
}

async function blankFor(agent: SimAgent, request: CreateRequest): Promise<Slot> {
  const { size, database } = request;
  if (request.source === 'clone') {
    const number = request.slot ?? agent.slots.vacant(size);
    if (number === undefined) throw new AppError('no_capacity');
    const ref = { size, slot: number };
    return buildIn(agent, { ...ref, state: 'building', directory: '', epoch: 0, database });
  }
  const { slot } = request;
  const blank = agent.slots.all().find((one) => one.state === 'warm' && one.size === size);
  if (slot === undefined && blank === undefined) throw new AppError('no_capacity');
  const found = slot === undefined ? blank : agent.slots.get({ size, slot });
  if (found?.state !== 'warm' || processOf(agent, found) === undefined)
    throw new AppError('slot_taken');
  const taken: Slot = { ...found, state: 'starting', database };
  agent.slots.update(taken);
  return taken;
}

/** A repeat of a create that came through answers the same; any other one is a conflict. */
function settleExisting(agent: SimAgent, request: CreateRequest): Incarnation | undefined {
  const identity = agent.volume.identity(request.database);
  if (identity === undefined) return undefined;
  const slot = agent.slots.byDatabase(request.database);
  const { tenant, roles } = request.identity;
  const same = identity.tenant === tenant && isDeepStrictEqual(identity.roles, roles);
  if (same && slot !== undefined && processOf(agent, slot) !== undefined)
    return answerOf(agent, slot);
  const data = { version: identity.version };
  throw new AppError('identity_conflict', { detail: 'this database exists', data });
}

function create(agent: SimAgent, request: CreateRequest): Promise<Incarnation> {
  const { slots, volume } = agent;
  return agent.queues.run(request.database, async () => {
    checkOpen(agent);
    const existing = settleExisting(agent, request);
    if (existing !== undefined) return existing;
    const blank = await blankFor(agent, request);
    try {
      await pause(agent, 'bound');
      volume.bind(request.identity, blank.directory);
    } catch (error) {
      if (agent.dead) throw error;
      volume.removeDirectory(blank.directory);
      slots.vacate(blank);
      throw error;
    }
    const running: Slot = { ...blank, state: 'running', database: request.database };
    const version = slots.update(running);
    note(agent, 'created', running);
    note(agent, 'started', running);
    return answerOf(agent, running, version);
  });
}

function purge(agent: SimAgent, database: string): Promise<PurgeAnswer> {
  return agent.queues.run(database, async () => {
    checkOpen(agent);
    const identity = agent.volume.identity(database);
    if (identity === undefined) throw new AppError('database_not_found');
    if (identity.deleted_at === null) throw new AppError('not_deleted');
    const slot = agent.slots.byDatabase(database);
    if (slot?.address !== undefined) await endRun(agent, slot, 'suspended', 'deleted');
    const proof: PurgeAnswer = { directory: identity.directory, files: 1, bytes: 1 };
    const directory = agent.volume.directory(identity.directory);
    if (directory === undefined || directory.purged) return proof;
    takeDirectory(agent.volume, directory, agent.host)();
    directory.purged = true;
    return proof;
  });
}

/** Of each database what was applied: name → checksum. */
type Applied = Map<string, string>;

async function apply(agent: SimAgent, all: Applied, request: ApplyRequest): Promise<ApplyAnswer> {
  checkOpen(agent);
  const { database, epoch, name, checksum } = request;
  const slot = agent.slots.byDatabase(database);
  const current = slot?.state === 'running' && slot.epoch === epoch;
  if (!current || processOf(agent, slot) === undefined)
    throw new AppError('stale_epoch', { detail: 'that epoch does not run here' });
  const key = createHash('sha256').update(`${directoryOf(agent, slot.directory).id} ${name}`);
  const digest = key.digest('hex');
  const known = all.get(digest);
  if (known !== undefined && known !== checksum) throw new AppError('migration_conflict');
  all.set(digest, checksum);
  return { ...agent.slots.version(), outcome: known === undefined ? 'applied' : 'already_applied' };
}

async function shutDown(agent: SimAgent): Promise<ShutdownAnswer> {
  const { slots, volume, queues } = agent;
  agent.ending = true;
  await queues.drained();
  const answer = { suspended: 0, removed: 0 };
  for (const slot of slots.all()) {
    if (slot.database !== undefined) {
      await endRun(agent, slot, 'suspended', 'shutdown');
      answer.suspended += 1;
    } else {
      volume.removeDirectory(slot.directory);
      slots.vacate(slot);
      answer.removed += 1;
    }
  }
  return answer;
}

export function createSimVerbs(agent: SimAgent, report: () => HostReport): AgentVerbs {
  const applied: Applied = new Map();
  const { volume } = agent;
  return {
    attach: (request) => attach(agent, request),
    create: (request) => create(agent, request),
    suspend: (request) => suspend(agent, request),
    warm: (request) => warm(agent, request),
    recycle: (ref) => recycle(agent, ref),
    apply: (request) => apply(agent, applied, request),
    purge: (database) => purge(agent, database),
    readIdentity: async (database) => volume.identity(database),
    replaceIdentity: async (database, expectedVersion, document) =>
      volume.replace(database, expectedVersion, document),
    listIdentities: async (after) => volume.list(agent.host, after),
    awake: async (database) => ({
      ...agent.slots.version(),
      ...{ visited: false, epoch: agent.slots.byDatabase(database)?.epoch ?? null },
      ...{ woken_by: null, sessions: null, more: 0, wakes: [] },
    }),
    report,
    shutDown: () => shutDown(agent),
  };
}
