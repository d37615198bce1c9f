/** Carries out what a plan says. Nothing here asks first, and everything is undone at its end. */
import { runFolderOf, type HomePaths } from '../../dev/home.ts';
import { findOccupants } from '../../dev/occupants.ts';
import {
  commandOf,
  identify,
  processesBelow,
  processesWith,
  signal,
  type ProcessId,
} from '../../dev/process-table.ts';
import type { Stack } from '../../dev/stack.ts';
import type { Clocks } from './clock.ts';
import { hideFolder, type Disk } from './disk.ts';
import type { Fault } from './plan.ts';
import type { Relay, Trouble } from '../faults/relay.ts';

export interface Scene {
  readonly stack: Stack;
  readonly paths: HomePaths;
  /** Where the data directories lie, without symbolic links. */
  readonly directories: string;
  /** By the process that each leads to. */
  readonly relays: ReadonlyMap<string, Relay>;
  readonly disk: Disk | undefined;
  readonly clocks: Clocks | undefined;
}

/** How to end it, or why this machine can not do it. */
type Begun = (() => Promise<void>) | { readonly skipped: string };

const NOTHING = async (): Promise<void> => undefined;
const skipped = (why: string): Begun => ({ skipped: why });
/** A clock is set forward or back by up to so much. */
const CLOCK_S_MAX = 3_600;
/** In a brown-out: what is sent is late by so much, or one piece of so many is lost. */
const SLOW_MS = 500;
const LOSS_ODDS = 20;

const idsOf = (pids: readonly number[]): ProcessId[] => pids.flatMap((pid) => identify(pid) ?? []);

function processOf({ stack }: Scene, name: string): ProcessId[] {
  const pid = stack.processes()[name];
  return pid === undefined ? [] : idsOf([pid]);
}

/** The Postgres processes of a host: their log lies in its run folder. */
function postgresOf({ paths, directories }: Scene, host: string): ProcessId[] {
  const run = runFolderOf(paths, Number(host.split('-')[1]));
  return idsOf(findOccupants(directories, run).map(({ pid }) => pid));
}

/** The postmaster keeps the words that it was started with; backends have another title. */
function tenantsOf({ directories }: Scene, what: 'postmaster' | 'backend'): ProcessId[] {
  const isMaster = ({ pid }: { readonly pid: number }): boolean => commandOf(pid).includes('-D');
  // A client's: `postgres: app app [local] INSERT`.
  const isBackend = ({ pid }: { readonly pid: number }): boolean =>
    commandOf(pid).some((words) => words.includes('[local]'));
  const found = findOccupants(directories).filter(what === 'postmaster' ? isMaster : isBackend);
  return idsOf(found.map(({ pid }) => pid));
}

function victimsOf(scene: Scene, { what, names, which }: Fault): ProcessId[] {
  switch (what) {
    case 'hot':
    case 'cold':
      return processesBelow(`${scene.paths.state}/${what}`);
    case 'host':
      return names.flatMap((name) => [...processOf(scene, name), ...postgresOf(scene, name)]);
    case 'postmaster':
    case 'backend': {
      const found = tenantsOf(scene, what);
      return found.slice(Math.floor(which * found.length)).slice(0, 1);
    }
    case 'api':
    case 'proxy':
    case 'agent':
      return names.flatMap((name) => processOf(scene, name));
    case 'volume':
    case 'heartbeat':
      return [];
  }
}

function kill(scene: Scene, fault: Fault): Begun {
  const isServer = fault.what === 'hot' || fault.what === 'cold';
  // Of a control server the postmaster; what it leaves behind ends by itself.
  if (isServer) scene.stack.kill(fault.what, 'SIGKILL');
  else for (const id of victimsOf(scene, fault)) signal(id, 'SIGKILL');
  return NOTHING;
}

async function takeAway(scene: Scene, fault: Fault): Promise<Begun> {
  const { stack } = scene;
  const postgres = fault.what === 'host' ? fault.names.flatMap((n) => postgresOf(scene, n)) : [];
  const holding = fault.names.map((name) => stack.hold(name));
  for (const id of postgres) signal(id, 'SIGKILL');
  await Promise.all(holding);
  return async () => {
    await Promise.all(fault.names.map((name) => stack.release(name)));
  };
}

function freeze(scene: Scene, fault: Fault): Begun {
  const ids = victimsOf(scene, fault);
  for (const id of ids) signal(id, 'SIGSTOP');
  return async () => {
    for (const id of ids) signal(id, 'SIGCONT');
  };
}

async function hide(scene: Scene, { what, names }: Fault): Promise<Begun> {
  const [host = ''] = names;
  const [agent] = processOf(scene, host);
  if (agent === undefined) return NOTHING;
  const { volume } = scene.stack.endpoints;
  const folder = what === 'volume' ? volume : `${volume}/hosts/${host}`;
  return (await hideFolder(agent.pid, folder)) ?? skipped('hosts share one view of the volume');
}

/** Refused or silent; in a brown-out late or lost. */
function troubleOf({ verb, which }: Fault): Trouble {
  if (verb === 'cut') return { kind: which < 0.5 ? 'refused' : 'silent' };
  return which < 0.5 ? { kind: 'slow', ms: SLOW_MS } : { kind: 'lossy', odds: LOSS_ODDS };
}

async function trouble(scene: Scene, fault: Fault): Promise<Begun> {
  const relays = fault.names.flatMap((name) => scene.relays.get(name) ?? []);
  const set = (to: Trouble) => Promise.all(relays.map((relay) => relay.set(to)));
  await set(troubleOf(fault));
  return async () => {
    await set({ kind: 'none' });
  };
}

async function fill({ disk }: Scene): Promise<Begun> {
  if (disk === undefined) return skipped('the volume has no disk of its own');
  await disk.fill();
  return disk.empty;
}

async function jump({ clocks }: Scene, { names, which }: Fault): Promise<Begun> {
  if (clocks === undefined) return skipped('libfaketime is not installed');
  const seconds = Math.round((which * 2 - 1) * CLOCK_S_MAX);
  await Promise.all(names.map((name) => clocks.set(name, seconds)));
  return async () => {
    await Promise.all(names.map((name) => clocks.set(name, 0)));
  };
}

/** @returns how to end it, or why it was not begun. */
export async function beginFault(scene: Scene, fault: Fault): Promise<Begun> {
  switch (fault.verb) {
    case 'kill':
      return kill(scene, fault);
    case 'away':
      return takeAway(scene, fault);
    case 'freeze':
      return freeze(scene, fault);
    case 'cut':
      return fault.what === 'volume' || fault.what === 'heartbeat'
        ? hide(scene, fault)
        : trouble(scene, fault);
    case 'brown':
      return trouble(scene, fault);
    case 'fill':
      return fill(scene);
    case 'clock':
      return jump(scene, fault);
  }
}

/** Processes of a home that has been stopped and removed. */
export const leftBehind = ({ state, watch }: HomePaths): readonly ProcessId[] => [
  ...processesBelow(state),
  ...processesWith('PILOTLIGHT_WATCH', watch),
];
