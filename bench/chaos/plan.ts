/** What breaks when and for how long, from a seed. Pure. */
import { createRandom, shuffled } from '../random.ts';
import { common, merged, type Span } from './intervals.ts';

/** `away`: killed, and not started again before the end. `brown`: what passes is late, or lost at times. */
export type Verb = 'kill' | 'away' | 'freeze' | 'cut' | 'brown' | 'fill' | 'clock';
/** `agent`: that process of a host alone. `host`: it and every Postgres there. */
export type What =
  | 'api'
  | 'proxy'
  | 'hot'
  | 'cold'
  | 'agent'
  | 'host'
  | 'postmaster'
  | 'backend'
  | 'heartbeat'
  | 'volume';

interface Kind {
  readonly verb: Verb;
  readonly what: What;
  /** All of that kind at once. */
  readonly all?: true;
}

export interface Fault extends Kind {
  /** After the beginning. */
  readonly atMs: number;
  /** 0 for kills: when it is back is the stack's own doing. */
  readonly forMs: number;
  /** Processes and hosts; none where `which` chooses among those that run by then. */
  readonly names: readonly string[];
  /** 0 to 1: chooses a victim, or how something is done. */
  readonly which: number;
}

export interface Fleet {
  readonly apis: readonly string[];
  readonly proxies: readonly string[];
  readonly hosts: readonly string[];
}

const KINDS: readonly Kind[] = [
  { verb: 'kill', what: 'api' },
  { verb: 'kill', what: 'proxy' },
  { verb: 'kill', what: 'hot' },
  { verb: 'kill', what: 'cold' },
  { verb: 'kill', what: 'agent' },
  { verb: 'kill', what: 'postmaster' },
  { verb: 'kill', what: 'backend' },
  { verb: 'away', what: 'api' },
  { verb: 'away', what: 'proxy' },
  { verb: 'away', what: 'hot' },
  { verb: 'away', what: 'host' },
  { verb: 'away', what: 'api', all: true },
  { verb: 'away', what: 'host', all: true },
  { verb: 'freeze', what: 'api' },
  { verb: 'freeze', what: 'proxy' },
  { verb: 'freeze', what: 'hot' },
  { verb: 'freeze', what: 'cold' },
  { verb: 'freeze', what: 'agent' },
  { verb: 'freeze', what: 'host' },
  { verb: 'freeze', what: 'postmaster' },
  { verb: 'freeze', what: 'backend' },
  // The apis from hot Postgres, the apis from an agent, everybody from an api.
  { verb: 'cut', what: 'hot' },
  { verb: 'cut', what: 'agent' },
  { verb: 'cut', what: 'api' },
  { verb: 'brown', what: 'hot' },
  { verb: 'brown', what: 'agent' },
  { verb: 'brown', what: 'api' },
  // A host from the volume, and from its own folder there.
  { verb: 'cut', what: 'volume' },
  { verb: 'cut', what: 'heartbeat' },
  { verb: 'fill', what: 'volume' },
  { verb: 'clock', what: 'api' },
  { verb: 'clock', what: 'proxy' },
  { verb: 'clock', what: 'agent' },
];
export const KINDS_COUNT = KINDS.length;

const FOR_MS_MIN = 1_000;
/** Longer than a heartbeat may stand still, but not so long that a run would be one fault. */
const FOR_MS_MAX: Readonly<Record<Verb, number>> = {
  kill: 0,
  away: 10_000,
  freeze: 12_000,
  cut: 12_000,
  brown: 12_000,
  fill: 6_000,
  clock: 15_000,
};
const FIRST_MS = 1_000;
/** From one beginning to the next. */
const GAP_MS_MIN = 500;
const GAP_MS_MAX = 4_000;
/** More at once would take a whole fleet of three hosts away and call it chance. */
const IN_FORCE_MAX = 3;
/** A process that is back is left alone for so long. */
const REST_MS = 3_000;

function namesOf({ verb, what }: Kind, fleet: Fleet): readonly string[] {
  switch (what) {
    case 'api':
      return fleet.apis;
    case 'proxy':
      return fleet.proxies;
    case 'agent':
    case 'host':
    case 'heartbeat':
      return fleet.hosts;
    case 'volume':
      return verb === 'fill' ? ['volume'] : fleet.hosts;
    case 'hot':
    case 'cold':
      return [what];
    case 'postmaster':
    case 'backend':
      return [];
  }
}

/** The same for the same seed, whatever the machine can do: what it can not is skipped later. */
export function planChaos(forMs: number, seed: number, fleet: Fleet): readonly Fault[] {
  const random = createRandom(seed);
  const faults: Fault[] = [];
  const freeAt = new Map<string, number>();
  let at = FIRST_MS;
  for (;;) {
    for (const kind of shuffled(KINDS, random)) {
      const gap = GAP_MS_MIN + random() * (GAP_MS_MAX - GAP_MS_MIN);
      const [part, chosen, which] = [random(), random(), random()];
      const found = namesOf(kind, fleet);
      const one = found[Math.floor(chosen * found.length)];
      const names = kind.all === true || one === undefined ? found : [one];
      // A wrong clock takes nothing away, and where it is skipped it is not to keep others waiting.
      const holds = faults.filter(({ verb }) => verb !== 'clock');
      const ends = holds.map((fault) => fault.atMs + fault.forMs).sort((a, b) => b - a);
      const room = ends[IN_FORCE_MAX - 1] ?? 0;
      at = Math.round(Math.max(at + gap, room, ...names.map((name) => freeAt.get(name) ?? 0)));
      const most = FOR_MS_MAX[kind.verb];
      const lasts = most === 0 ? 0 : Math.round(FOR_MS_MIN + part * (most - FOR_MS_MIN));
      if (at + lasts > forMs) return faults;
      for (const name of names) freeAt.set(name, at + lasts + REST_MS);
      faults.push({ ...kind, atMs: at, forMs: lasts, names, which });
    }
  }
}

/** Faults by which nobody can use an api, or a host's databases. */
const TAKES: readonly (readonly [Verb, What])[] = [
  ['away', 'api'],
  ['freeze', 'api'],
  ['cut', 'api'],
  ['away', 'host'],
  ['freeze', 'host'],
  ['cut', 'volume'],
];

const takes = (fault: Fault, name: string): boolean =>
  fault.names.includes(name) &&
  TAKES.some(([verb, what]) => fault.verb === verb && fault.what === what);

export const spanOf = ({ atMs, forMs }: Fault): Span => ({ fromMs: atMs, toMs: atMs + forMs });

/** When all apis or all hosts are down by schedule: that is not counted as unavailability. */
export function scheduledDown(faults: readonly Fault[], fleet: Fleet): readonly Span[] {
  const spansOf = (name: string): Span[] =>
    faults.filter((fault) => takes(fault, name)).map(spanOf);
  return merged([common(fleet.apis.map(spansOf)), common(fleet.hosts.map(spansOf))].flat());
}

/** For people. */
export function nameOf({ verb, what, names, forMs }: Fault): string {
  const whom = names.length === 0 ? `a ${what}` : `${what} ${names.join(' ')}`;
  return `${verb} ${whom}${forMs === 0 ? '' : ` for ${(forMs / 1000).toFixed(1)} s`}`;
}
