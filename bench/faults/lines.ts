/**
 * The table of what may be lost (design: "degraded modes"): how each is brought about and ended, and
 * what is promised of every verb meanwhile.
 */
import { connect } from '../../db/client.ts';
import { DISK_MB, type Arm } from './arm.ts';
import type { Word } from './judge.ts';
import type { Trouble } from './relay.ts';
import type { Verb } from './verbs.ts';

export interface Line {
  readonly name: string;
  readonly begin: (arm: Arm) => Promise<unknown>;
  readonly end: (arm: Arm) => Promise<unknown>;
  readonly words: Readonly<Record<Verb, Word>>;
  /** After which time the words hold; until then all but refusals are to succeed at all. Default 3 s. */
  readonly afterMs?: number;
  /** What that is not promised of: where it runs is gone, and known to be gone by the end of that time. */
  readonly notAtOnce?: Verb;
  /** Of arms whose volumes are small disks of their own; root only. What is made goes after each round. */
  readonly ownDisk?: true;
  /** The host whose databases are looked at, if the line is about one. */
  readonly host?: string;
}

const ALL_SAME: Line['words'] = {
  connect: 'same',
  route: 'same',
  access: 'same',
  resume: 'same',
  wake: 'same',
  create: 'same',
  suspend: 'same',
  read: 'same',
  change: 'same',
  delete: 'same',
};

const NO_INDEX: Line['words'] = {
  connect: 'same',
  route: 'degraded',
  access: 'degraded',
  resume: 'degraded',
  wake: 'degraded',
  create: 'degraded',
  suspend: 'same',
  read: 'degraded',
  change: 'refused',
  delete: 'refused',
};

const NO_API: Line['words'] = {
  ...ALL_SAME,
  route: 'free',
  access: 'free',
  resume: 'free',
  wake: 'held',
  create: 'free',
  suspend: 'free',
  read: 'free',
  change: 'free',
  delete: 'free',
};

const held = (...names: readonly string[]) => ({
  begin: ({ stack }: Arm) => Promise.all(names.map((name) => stack.hold(name))),
  end: ({ stack }: Arm) => Promise.all(names.map((name) => stack.release(name))),
});

const frozen = (name: string) => ({
  begin: ({ stack }: Arm) => Promise.resolve(stack.kill(name, 'SIGSTOP')),
  end: ({ stack }: Arm) => Promise.resolve(stack.kill(name, 'SIGCONT')),
});

const troubled = (
  of: (relays: Arm['relays']) => readonly { readonly set: (to: Trouble) => Promise<void> }[],
  trouble: Trouble,
) => ({
  begin: ({ relays }: Arm) => Promise.all(of(relays).map((relay) => relay.set(trouble))),
  end: ({ relays }: Arm) => Promise.all(of(relays).map((relay) => relay.set({ kind: 'none' }))),
});

const atHot = (trouble: Trouble) => troubled(({ hot }) => [hot], trouble);

/** 5 % are kept for what is there. */
const NEARLY_FULL_BYTES = DISK_MB * 1024 * 1024 * 0.03;

async function setReadOnly({ stack }: Arm, to: 'on' | 'off'): Promise<void> {
  const client = await connect(stack.endpoints.hot_url);
  try {
    await client.query(`set default_transaction_read_only = off`);
    await client.query(`alter system set default_transaction_read_only = ${to}`);
    await client.query('select pg_reload_conf()');
  } finally {
    await client.end();
  }
}

async function restartApis({ stack, relays }: Arm): Promise<void> {
  await relays.hot.set({ kind: 'refused' });
  for (const name of ['api', 'api-2']) {
    await stack.hold(name);
    await stack.release(name);
  }
}

export const LINES: readonly Line[] = [
  { name: 'cold Postgres killed', ...held('cold'), words: ALL_SAME },
  { name: 'cold Postgres frozen', ...frozen('cold'), words: ALL_SAME },
  { name: 'hot Postgres killed', ...held('hot'), words: NO_INDEX },
  { name: 'hot Postgres refused', ...atHot({ kind: 'refused' }), words: NO_INDEX },
  { name: 'hot Postgres silent', ...atHot({ kind: 'silent' }), words: NO_INDEX },
  { name: 'hot Postgres 500 ms late', ...atHot({ kind: 'slow', ms: 500 }), words: NO_INDEX },
  {
    name: 'hot Postgres read-only',
    begin: (arm) => setReadOnly(arm, 'on'),
    end: (arm) => setReadOnly(arm, 'off'),
    words: NO_INDEX,
  },
  {
    name: 'hot Postgres refused, apis restarted',
    begin: restartApis,
    end: ({ relays }) => relays.hot.set({ kind: 'none' }),
    words: { ...NO_INDEX, suspend: 'degraded' },
    afterMs: 5_000,
  },
  { name: 'one api killed', ...held('api'), words: ALL_SAME },
  { name: 'one api frozen', ...frozen('api'), words: ALL_SAME },
  { name: 'all apis killed', ...held('api', 'api-2'), words: NO_API },
  { name: 'a host agent frozen', ...frozen('host-1'), words: ALL_SAME, host: 'host-1' },
  {
    name: 'a host dead',
    ...held('host-1'),
    words: ALL_SAME,
    afterMs: 10_000,
    notAtOnce: 'connect',
    host: 'host-1',
  },
  {
    name: 'a host frozen whole',
    begin: ({ stack }) => Promise.resolve(stack.killWhole('host-1', 'SIGSTOP')),
    end: ({ stack }) => Promise.resolve(stack.killWhole('host-1', 'SIGCONT')),
    words: ALL_SAME,
    afterMs: 10_000,
    notAtOnce: 'connect',
    host: 'host-1',
  },
  {
    name: 'the volume nearly full',
    begin: ({ disk }) => Promise.resolve(disk?.fill(NEARLY_FULL_BYTES)),
    end: ({ disk }) => Promise.resolve(disk?.empty()),
    // What can not be made can not be deleted.
    words: { ...ALL_SAME, create: 'refused', delete: 'free' },
    ownDisk: true,
  },
  { name: 'one proxy killed', ...held('proxy'), words: ALL_SAME },
  {
    name: 'between proxies and apis one request in 20 lost',
    ...troubled(({ apis }) => apis, { kind: 'lossy', odds: 20 }),
    words: ALL_SAME,
  },
  {
    name: 'between apis and agents one request in 20 lost',
    ...troubled(({ hosts }) => hosts, { kind: 'lossy', odds: 20 }),
    words: { ...ALL_SAME, resume: 'degraded', wake: 'degraded', create: 'degraded' },
  },
];
