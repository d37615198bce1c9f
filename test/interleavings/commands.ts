/** What can happen in a fleet at any moment, as commands of fast-check. Each is one event and no more. */
import fc from 'fast-check';
import { FAULT_KINDS, type FaultKind } from '../../host/sim-faults.ts';
import { AppError } from '../../model/errors.ts';
import type { HostReport, StartAnswer } from '../../model/wire.ts';
import { brokenNow, type Minted } from './invariants.ts';
import * as verbs from './verbs.ts';
import { INDEX_WAYS, type Api, type World } from './world.ts';

/** More would not fit beside each other, and starve for a reason that is none of ours. */
const DATABASES_MAX = 5;

interface Operation {
  readonly what: string;
  readonly api: Api;
  done: boolean;
  readonly ended: Promise<void>;
}

/** What the test remembers of what it did. */
export interface Story {
  readonly world: World;
  readonly minted: Minted;
  readonly databases: string[];
  /** Creates that have begun: what became of one may never be heard. */
  creates: number;
  /** The epoch that a caller heard of last. */
  readonly known: Map<string, number>;
  /** Databases whose delete was answered, with no undelete begun since. */
  readonly deleted: Set<string>;
  readonly operations: Operation[];
  /** Reports on their way, some for long. */
  readonly reports: HostReport[];
  readonly broken: string[];
  /** What happened, in order, for whoever reads a failure. */
  readonly told: string[];
}

export const newStory = (world: World): Story => ({
  ...{ world, minted: new Map(), databases: [], creates: 0, known: new Map(), deleted: new Set() },
  ...{ operations: [], reports: [], broken: [], told: [] },
});

/** Begins something whose end is a matter of its own. Whatever is no typed error is a bug. */
function begin(story: Story, api: Api, what: string, work: () => Promise<void>): void {
  const operation = { what, api, done: false };
  story.told.push(`  begins: ${what}`);
  const ended = work()
    .then(() => void story.told.push(`  ends: ${what}`))
    .catch((error: unknown) => {
      story.told.push(`  ends: ${what}: ${error instanceof AppError ? error.code : String(error)}`);
      if (error instanceof AppError) return;
      const cause =
        error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
      story.broken.push(`${what} failed: ${String(error)} ${cause?.stack ?? ''}`);
    })
    .finally(() => void (operation.done = true));
  story.operations.push(Object.assign(operation, { ended }));
}

function checkStarted(story: Story, id: string, answer: StartAnswer, wasDeleted: boolean): void {
  if (answer.state !== 'running') return;
  const { volume } = story.world;
  const directory = volume.identity(id)?.directory ?? '';
  const minted = volume.directory(directory)?.epoch ?? 0;
  if (answer.epoch > minted)
    story.broken.push(`${id} was said to run as ${answer.epoch}, and ${minted} is minted`);
  if (!answer.address.socket.endsWith(`${directory}.${answer.epoch}`))
    story.broken.push(`${id} was said to run as ${answer.epoch} at ${answer.address.socket}`);
  if (wasDeleted) story.broken.push(`${id} was deleted, and a start begun afterwards was answered`);
  story.known.set(id, Math.max(answer.epoch, story.known.get(id) ?? 0));
}

function beginStart(story: Story, api: Api, id: string, stale?: number): void {
  const wasDeleted = story.deleted.has(id);
  begin(story, api, `start of ${id} beyond ${stale ?? 0}`, async () => {
    const answer = await verbs.start(api, id, stale);
    checkStarted(story, id, answer, wasDeleted && story.deleted.has(id));
  });
}

function beginSuspend(story: Story, api: Api, id: string, epoch: number, ifIdle: boolean): void {
  begin(story, api, `suspend of ${id} as ${epoch}`, async () => {
    const { outcome } = await verbs.suspend(api, id, epoch, ifIdle);
    const { volume } = story.world;
    const process = volume.directory(volume.identity(id)?.directory ?? '')?.process;
    if (outcome === 'suspended' && process?.epoch === epoch)
      story.broken.push(`${id} was said to be suspended, and ${epoch} runs`);
  });
}

type Command = fc.AsyncCommand<Story, Story>;

/** A command that applies always; what holds at every moment is looked at after it. */
const command = (name: string, work: (story: Story) => void | Promise<void>): Command => ({
  check: () => true,
  async run(_, story) {
    story.told.push(name);
    await work(story);
    await story.world.activity.settled();
    const broken = [...story.broken, ...(await brokenNow(story.world, story.minted))];
    if (broken.length > 0) throw new Error([...story.told, ...broken].join('\n'));
  },
  toString: () => name,
});

const at = <T>(items: readonly T[], n: number): T | undefined =>
  items[n % Math.max(items.length, 1)];

function withDatabase(story: Story, n: number, work: (id: string) => void): void {
  const id = at(story.databases, n);
  if (id !== undefined) work(id);
}

const nth = fc.nat(9);
const apiNth = fc.nat(1);
const hostNth = fc.nat(1);
const verb = fc.constantFrom('attach', 'suspend', 'create', 'recycle', 'replaceIdentity');

function callCommands() {
  return [
    apiNth.map((a) =>
      command(`create by api ${a}`, (story) => {
        const api = at(story.world.apis, a);
        if (api === undefined || story.creates >= DATABASES_MAX) return;
        story.creates += 1;
        begin(story, api, 'create', async () => {
          const { id, epoch } = await verbs.create(api);
          story.databases.push(id);
          story.known.set(id, epoch);
        });
      }),
    ),
    fc.tuple(apiNth, nth, fc.boolean()).map(([a, n, stale]) =>
      command(`start ${n} by api ${a}${stale ? ', found dead' : ''}`, (story) =>
        withDatabase(story, n, (id) => {
          const api = at(story.world.apis, a);
          if (api !== undefined)
            beginStart(story, api, id, stale ? story.known.get(id) : undefined);
        }),
      ),
    ),
    fc.tuple(apiNth, nth, fc.nat(1), fc.boolean()).map(([a, n, late, ifIdle]) =>
      command(`suspend ${n} by api ${a}${late ? ', late' : ''}`, (story) =>
        withDatabase(story, n, (id) => {
          const api = at(story.world.apis, a);
          const epoch = (story.known.get(id) ?? 1) - late;
          if (api !== undefined && epoch > 0) beginSuspend(story, api, id, epoch, ifIdle);
        }),
      ),
    ),
    fc.tuple(apiNth, nth).map(([a, n]) =>
      command(`delete ${n} by api ${a}`, (story) =>
        withDatabase(story, n, (id) => {
          const api = at(story.world.apis, a);
          if (api === undefined) return;
          begin(story, api, `delete of ${id}`, async () => {
            await verbs.remove(api, id);
            story.deleted.add(id);
          });
        }),
      ),
    ),
    fc.tuple(apiNth, nth).map(([a, n]) =>
      command(`undelete ${n} by api ${a}`, (story) =>
        withDatabase(story, n, (id) => {
          const api = at(story.world.apis, a);
          if (api === undefined) return;
          story.deleted.delete(id);
          begin(story, api, `undelete of ${id}`, async () => void (await verbs.undelete(api, id)));
        }),
      ),
    ),
  ];
}

function reportCommands() {
  return [
    fc.tuple(apiNth, hostNth).map(([a, h]) =>
      command(`sync of host ${h} to api ${a}`, (story) => {
        const [api, report] = [at(story.world.apis, a), at(story.world.hosts, h)?.report()];
        if (api === undefined || report === undefined) return;
        story.reports.push(report);
        begin(story, api, `sync of host ${h}`, async () => void (await verbs.sync(api, report)));
      }),
    ),
    fc.tuple(apiNth, nth).map(([a, n]) =>
      command(`a report of before, ${n}, to api ${a}`, (story) => {
        const [api, report] = [at(story.world.apis, a), at(story.reports, n)];
        if (api === undefined || report === undefined) return;
        begin(story, api, 'late sync', async () => void (await verbs.sync(api, report)));
      }),
    ),
    fc.constant(command('every transition is past its deadline', ({ world }) => world.expire())),
  ];
}

function faultCommands() {
  return [
    fc
      .tuple(hostNth, verb, fc.constantFrom<FaultKind>(...FAULT_KINDS))
      .map(([h, name, kind]) =>
        command(`${kind} of ${name} at host ${h}`, (story) =>
          at(story.world.hosts, h)?.faults.add({ verb: name, kind, ms: 5, code: 'start_failed' }),
        ),
      ),
    hostNth.map((h) =>
      command(`the agent of host ${h} dies`, (story) => at(story.world.hosts, h)?.crashAgent()),
    ),
    hostNth.map((h) =>
      command(`the machine of host ${h} dies`, (story) => at(story.world.hosts, h)?.crashMachine()),
    ),
    hostNth.map((h) =>
      command(`a second passes at host ${h}`, (story) => {
        const [host, api] = [at(story.world.hosts, h), story.world.apis[0]];
        if (host !== undefined && api !== undefined) begin(story, api, 'tick', host.tick);
      }),
    ),
    hostNth.map((h) =>
      command(`host ${h} boots`, (story) => {
        const host = at(story.world.hosts, h);
        if (host?.report() === undefined) host?.boot();
      }),
    ),
    fc.tuple(hostNth, nth, fc.boolean()).map(([h, n, hangs]) =>
      command(`Postgres of ${n} at host ${h} ${hangs ? 'hangs' : 'crashes'}`, (story) =>
        withDatabase(story, n, (id) => {
          const host = at(story.world.hosts, h);
          if (hangs) host?.hangPostgres(id);
          else host?.crashPostgres(id);
        }),
      ),
    ),
    apiNth.map((a) =>
      command(`api ${a} dies, and another comes`, ({ world }) => {
        world.apis[a]?.kill();
        world.apis[a] = world.newApi();
      }),
    ),
    fc.tuple(apiNth, fc.constantFrom(...INDEX_WAYS)).map(([a, way]) =>
      command(`the index is ${way} for api ${a}`, ({ world }) => {
        const api = world.apis[a];
        if (api !== undefined) api.index.way = way;
      }),
    ),
    nth.map((n) =>
      command(`somebody works in ${n}, or no longer`, (story) =>
        withDatabase(story, n, (id) => {
          if (!story.world.busy.delete(id)) story.world.busy.add(id);
        }),
      ),
    ),
    hostNth.chain((h) =>
      fc.constant(
        command(`a warm slot at host ${h}`, (story) => {
          const [api] = story.world.apis;
          const host = at(story.world.hosts, h);
          if (api === undefined || host === undefined) return;
          begin(story, api, 'warm', async () => void (await host.verbs.warm({ size: 'small' })));
        }),
      ),
    ),
  ];
}

/** Whatever waits longest may go on, or any other. */
const stepCommand = fc
  .nat(7)
  .map((n) =>
    command(
      `gate ${n} opens`,
      (story) => void story.told.push(`  ${story.world.gates.open(n) ?? 'nothing waits'}`),
    ),
  );

/** Gates open more often than anything else happens, or nothing would get far. */
export const fleetCommands = (maxCommands: number) =>
  fc.commands(
    [
      ...callCommands(),
      ...callCommands().slice(1, 3),
      ...reportCommands(),
      ...reportCommands().slice(0, 1),
      ...faultCommands(),
      ...Array.from({ length: 14 }, () => stepCommand),
    ],
    { maxCommands, size: 'max' },
  );

/** Whether an operation can still end: its api may have died. */
export const pendingOf = ({ operations, world }: Story): readonly Operation[] =>
  operations.filter((operation) => !operation.done && world.apis.includes(operation.api));
