/**
 * Roles and passwords that a tenant's SQL has made, changed or dropped: taken from its running Postgres into
 * the identity document, by which proxies judge logins. Looked at with every login (the proxy asks
 * for it, beside the exchange with its client) and before a run ends in order, so that what SQL says
 * holds for the next login, whether the database runs then or sleeps.
 */
import { mark } from '../lib/run-folder.ts';
import { createShared } from '../lib/shared.ts';
import { within } from '../lib/within.ts';
import { openAuthid, type AuthidReader } from '../db/tenant/authid.ts';
import { takeAuthid, type AuthidRole } from '../model/authid.ts';
import { AppError, codeOf } from '../model/errors.ts';
import type { Identity } from '../model/identity.ts';
import { addressOf, note, type AgentContext } from './context.ts';
import type { Incarnation } from './incarnation.ts';
import { peekRunRecord } from './run-record.ts';
import type { Slot } from './slots.ts';

/** A proxy that waits longer goes by what it remembers. */
const LOOK_MS_MAX = 120;
/** A connection costs 4 ms and 2 MB: it stays for a while after each look. */
const KEEP_MS = 5_000;
/** After a crash. */
const RECOVER_AGAIN_MS = 500;
const RECOVER_TRIES = 20;
/** Others write documents, too: it is read and taken again. */
const TRIES = 4;

export interface Looked {
  readonly identity: Identity;
  readonly runs: boolean;
}

export interface Roles {
  /**
   * The document, with all that SQL had committed when this was called: this epoch runs here, or it was the
   * last one and has ended, and the database sleeps.
   * @throws AppError `stale_epoch` otherwise, `unavailable` if its Postgres does not answer,
   * `database_not_found`.
   */
  readonly look: (database: string, epoch: number) => Promise<Looked>;
  /** Takes what somebody has read just now. Never throws: what fails is taken at the next look. */
  readonly take: (slot: Slot, authid: readonly AuthidRole[]) => Promise<void>;
  /** Takes what SQL has said before a change by the api, so that it does not seem to have come after. */
  readonly settle: (database: string) => Promise<void>;
  /** Looks by itself after a run that did not end in order: what SQL said in it may not be taken yet. */
  readonly recover: (slot: Slot) => void;
  /** Gives the kept connection up, so that it is not taken for anybody's. */
  readonly release: (incarnation: Incarnation) => Promise<void>;
}

type Context = Omit<AgentContext, 'roles'>;

/** One incarnation's looks, and the connection that they share. */
interface Watcher {
  readonly look: () => Promise<Identity>;
  readonly release: () => Promise<void>;
}

function createWatcher(context: Context, incarnation: Incarnation): Watcher {
  let reader: AuthidReader | undefined;
  let leave: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<unknown> = Promise.resolve();

  async function close(): Promise<void> {
    clearTimeout(timer);
    const [open, left] = [reader, leave];
    [reader, leave] = [undefined, undefined];
    // A server that is frozen does not close; its end takes the connection with it.
    if (open !== undefined) await within(open.end(), LOOK_MS_MAX, () => undefined);
    left?.();
  }

  async function readOnce(): Promise<readonly AuthidRole[]> {
    clearTimeout(timer);
    try {
      leave ??= context.guests.sit(incarnation);
      reader ??= await openAuthid(addressOf(incarnation), LOOK_MS_MAX);
      const found = await reader.read();
      timer = setTimeout(() => void close(), KEEP_MS);
      timer.unref();
      return found;
    } catch (error) {
      await close();
      throw new AppError('unavailable', { cause: error });
    }
  }

  const shared = createShared(async () => {
    const authid = await readOnce();
    const slot = context.slots.get(incarnation);
    if (slot?.incarnation !== incarnation) throw new AppError('stale_epoch');
    return takeInto(context, slot, authid);
  });
  return {
    look() {
      const found = shared('');
      looking = found.catch(() => undefined);
      return found;
    },
    async release() {
      // Whoever came meanwhile waits for a look of its own.
      for (let last; last !== looking;) await (last = looking);
      await close();
    },
  };
}

async function takeInto(
  context: Context,
  slot: Slot,
  authid: readonly AuthidRole[],
): Promise<Identity> {
  const { identities } = context;
  const database = slot.database ?? '';
  for (let tries = 1; ; tries++) {
    const identity = await identities.read(database);
    if (identity === undefined) throw new AppError('database_not_found');
    const change = identity.deleted_at === null ? takeAuthid(identity, authid) : undefined;
    if (change === undefined) return identity;
    try {
      await mark(context.run, database, identity.version + 1);
      const next = await identities.replace(database, identity.version, { ...identity, ...change });
      note(context, 'roles_changed', slot);
      return next;
    } catch (error) {
      if (codeOf(error) !== 'identity_conflict' || tries === TRIES) throw error;
    }
  }
}

/** What ran last was looked at before it was released, and the volume knows whether anything has run since. */
async function lookAsleep(
  { identities, volume }: Context,
  database: string,
  epoch: number,
): Promise<Looked> {
  const read = async (): Promise<Identity> => {
    const identity = await identities.read(database);
    if (identity === undefined) throw new AppError('database_not_found');
    return identity;
  };
  const directory = identities.directoryOf(database) ?? (await read()).directory;
  // Side by side: its slot was empty before either, and the last look comes before that.
  const [identity, last] = await Promise.all([
    read(),
    peekRunRecord(volume.directory(directory).run),
  ]);
  if (last?.epoch !== epoch || !last.released) throw new AppError('stale_epoch');
  return { identity, runs: false };
}

export function createRoles(context: Context): Roles {
  const watchers = new WeakMap<Incarnation, Watcher>();

  function watcherOf(incarnation: Incarnation): Watcher {
    let watcher = watchers.get(incarnation);
    if (watcher === undefined) {
      watcher = createWatcher(context, incarnation);
      watchers.set(incarnation, watcher);
    }
    return watcher;
  }

  async function lookOnce(database: string, epoch: number): Promise<Looked> {
    const slot = context.slots.byDatabase(database);
    if (slot === undefined) return lookAsleep(context, database, epoch);
    if (slot.incarnation === undefined || slot.epoch !== epoch) throw new AppError('stale_epoch');
    if (slot.incarnation.ending) throw new AppError('unavailable');
    return { identity: await watcherOf(slot.incarnation).look(), runs: true };
  }

  async function look(database: string, epoch: number): Promise<Looked> {
    try {
      return await lookOnce(database, epoch);
    } catch (error) {
      if (codeOf(error) !== 'unavailable') throw error;
      // Its door is closed, for a look whether it is idle or for good: by then it is open or asleep.
      await context.queues.run(database, () => Promise.resolve());
      return lookOnce(database, epoch);
    }
  }

  return {
    look,
    async take(slot, authid) {
      try {
        await takeInto(context, slot, authid);
      } catch (error) {
        context.log.warn(
          { err: error, database: slot.database },
          'what SQL says of roles is not taken yet',
        );
      }
    },
    async settle(database) {
      const slot = context.slots.byDatabase(database);
      if (slot?.incarnation === undefined || slot.state !== 'running') return;
      await look(database, slot.epoch).catch((error: unknown) => {
        context.log.warn(
          { code: codeOf(error), database },
          'roles are not looked at before a change',
        );
      });
    },
    recover({ database = '', epoch, incarnation }) {
      if (incarnation?.recovered !== true) return;
      // It has much to do now: the first look may come to nothing.
      const again = (tries: number): void =>
        void look(database, epoch).catch((error: unknown) => {
          if (codeOf(error) === 'unavailable' && tries > 1)
            return void setTimeout(again, RECOVER_AGAIN_MS, tries - 1).unref();
          context.log.warn({ err: error, database }, 'roles are not looked at after a crash');
        });
      again(RECOVER_TRIES);
    },
    release: async (incarnation) => watchers.get(incarnation)?.release(),
  };
}
