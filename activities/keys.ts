/**
 * Activities of keyRotation. A new password is in the api's answer, in this process' memory and in
 * the sealed box; never in what an activity takes, answers, heartbeats or throws.
 */
import { holdReleaseAll } from '../db/cold/hold-keep.ts';
import type { HotFunctions } from '../db/cold/hot-functions.ts';
import type { Cold } from '../db/cold/pool.ts';
import { rotationSave, type Rotation } from '../db/cold/rotation-save.ts';
import { runCreate } from '../db/cold/run-create.ts';
import { runEnd } from '../db/cold/run-end.ts';
import { runItemEnd } from '../db/cold/run-item-end.ts';
import { runItemList } from '../db/cold/run-item-list.ts';
import { runItemAbandoned, runItemRetryFailed } from '../db/cold/run-item-retry.ts';
import { sealedPasswordPut } from '../db/cold/sealed-password.ts';
import type { JsonClient } from '../lib/json-client.ts';
import { passwordContext, sealBox } from '../lib/sealed-box.ts';
import type { Paged } from '../model/cold/items.ts';
import { revokeRun, type RotationPage, type RotationPlan } from '../model/cold/keys.ts';
import { workflowId } from '../model/cold/names.ts';
import { AppError } from '../model/errors.ts';
import { createFleetCalls, type FleetCalls } from './fleet-calls.ts';
import { countRun, workPage, type Item, type ItemOutcome, type ItemsDeps } from './items.ts';

export interface KeyActivitiesDeps extends ItemsDeps {
  readonly hot: HotFunctions;
  readonly api: JsonClient;
  readonly apiUrls: readonly string[];
  readonly agents: JsonClient;
  /** To which new passwords are sealed; '' = there is none. */
  readonly sealingKey: string;
}

const VERB = 'keyRotation';
const LIST_PAGE = 1_000;

interface Keys {
  readonly cold: Cold;
  readonly fleet: FleetCalls;
  readonly sealingKey: string;
}

/** The password and the word that it was made, or neither: a late attempt seals nothing. */
async function add(keys: Keys, item: Item, page: RotationPage): Promise<ItemOutcome> {
  const { database, attempt } = item;
  const { run, rotation, role } = page;
  const { password } = await keys.fleet.password(database, { role, phase: 'add' });
  if (password === undefined) throw new Error('BUG: an add that answers no password');
  const context = passwordContext(rotation, database, role);
  const sealed = sealBox(keys.sealingKey, password, context);
  await keys.cold.transaction(async (statement) => {
    const within: Cold = { ...keys.cold, quick: statement, durable: statement };
    const ended = { run, item: database, attempt, state: 'done' as const };
    if (await runItemEnd(within, ended))
      await sealedPasswordPut(within, { rotation, database, role, sealed });
  });
  return { state: 'ended' };
}

async function revoke(
  { fleet }: Keys,
  { database }: Item,
  { role }: RotationPage,
): Promise<ItemOutcome> {
  await fleet.password(database, { role, phase: 'revoke' });
  return { state: 'done', result: {} };
}

/** Databases that have a new password: only of these the old one may end. */
async function addedOf(cold: Cold, run: string): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const page = await runItemList(cold, run, 'done', ids.at(-1) ?? '', LIST_PAGE);
    ids.push(...page.map(({ item }) => item));
    if (page.length < LIST_PAGE) return ids;
  }
}

export function createKeyActivities(deps: KeyActivitiesDeps) {
  const { cold, sealingKey } = deps;
  const keys: Keys = { cold, fleet: createFleetCalls(deps), sealingKey };

  function checkKey(): void {
    // An operator can give this worker its key; until then the rotation waits, and says why.
    if (sealingKey === '')
      throw new AppError('unavailable', { detail: 'this worker has no key to seal to' });
  }

  return {
    async rotationPlan({ name, role, targets }: RotationPlan): Promise<Paged> {
      checkKey();
      const run = workflowId.keyRotation(name);
      await runCreate(cold, { run, verb: VERB, spec: { role }, targets });
      await rotationSave(cold, { rotation: name, role, phase: 'adding' });
      return countRun(cold, run);
    },

    /** Gives each database of a page a new password beside the old one. Wakes nothing. */
    async rotationAdd(page: RotationPage): Promise<Paged> {
      checkKey();
      return workPage(deps, page, { verb: VERB, item: (item) => add(keys, item, page) });
    },

    /** Snapshots what is to be revoked. */
    async rotationRevokePlan(run: string): Promise<Paged> {
      const targets = await addedOf(cold, run);
      await runCreate(cold, { run: revokeRun(run), verb: VERB, spec: {}, targets });
      return countRun(cold, revokeRun(run));
    },

    /** Ends the old passwords of a page of databases. Wakes nothing. */
    rotationRevoke: (page: RotationPage): Promise<Paged> =>
      workPage(deps, page, { verb: VERB, item: (item) => revoke(keys, item, page) }),

    rotationRetryFailed: (run: string): Promise<number> => runItemRetryFailed(cold, run),

    rotationPhase: (rotation: Rotation): Promise<void> => rotationSave(cold, rotation),

    /** @returns how the adding and the revoking stand. */
    async rotationEnd(rotation: Rotation): Promise<{ added: Paged; revoked: Paged }> {
      const run = workflowId.keyRotation(rotation.rotation);
      for (const one of [run, revokeRun(run)]) {
        await runItemAbandoned(cold, one);
        await holdReleaseAll(cold, one);
        await runEnd(cold, one, rotation.phase);
      }
      await rotationSave(cold, rotation);
      return { added: await countRun(cold, run), revoked: await countRun(cold, revokeRun(run)) };
    },
  };
}

export type KeyActivities = ReturnType<typeof createKeyActivities>;
