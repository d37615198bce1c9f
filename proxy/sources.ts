/**
 * Tells host agents whose address is behind which backend, for people who ask what keeps a database
 * awake: Postgres sees the proxy's socket only. Once a second, so that short sessions cost nothing.
 */
import { runFolderOf } from '../lib/run-folder.ts';
import type { Address, SessionSource, SessionSourcesAnswer } from '../model/wire.ts';
import type { HostAccess } from './host-access.ts';

const PATH = '/v1/sessions/opened';
const TELL_MS = 1_000;
/** In one turn of so many without any news, so that an agent that was started anew is noticed. */
const ANYWAY_EVERY = 5;
/** Of one host at once; the rest follows. */
const SESSIONS_PER_CALL = 500;

export interface Sources {
  /** @returns what is to be called when it has ended. */
  readonly opened: (address: Address, session: SessionSource) => () => void;
  readonly stop: () => void;
}

interface Host {
  /** Any of its addresses: they are in one folder. */
  readonly address: Address;
  readonly open: Set<SessionSource>;
  untold: Set<SessionSource>;
  /** Of the agent that was told. */
  boot: number | undefined;
}

export function createSources(host: Pick<HostAccess, 'tell'>): Sources {
  const hosts = new Map<string, Host>();
  let timer: NodeJS.Timeout | undefined;
  let turn = 0;
  let stopped = false;

  async function tell(one: Host): Promise<void> {
    const news = [...one.untold].slice(0, SESSIONS_PER_CALL);
    const body = { sessions: news };
    const answer = await host.tell<SessionSourcesAnswer>(one.address, PATH, body);
    if (answer === undefined) return;
    // A new agent has adopted what runs, and knows nothing of who is behind it.
    const isNew = one.boot !== undefined && one.boot !== answer.boot;
    one.boot = answer.boot;
    if (isNew) one.untold = new Set(one.open);
    for (const session of news) one.untold.delete(session);
  }

  function arm(): void {
    if (timer !== undefined || stopped) return;
    timer = setTimeout(() => void tellAll(), TELL_MS);
    timer.unref();
  }

  async function tellAll(): Promise<void> {
    turn += 1;
    const isDue = ({ untold }: Host): boolean => untold.size > 0 || turn % ANYWAY_EVERY === 0;
    await Promise.all([...hosts.values()].filter(isDue).map(tell));
    timer = undefined;
    if (hosts.size > 0) arm();
  }

  return {
    opened(address, session) {
      const key = runFolderOf(address.socket);
      const one = hosts.get(key) ?? {
        ...{ address, open: new Set(), untold: new Set(), boot: undefined },
      };
      hosts.set(key, one);
      one.open.add(session);
      one.untold.add(session);
      arm();
      return () => {
        one.open.delete(session);
        one.untold.delete(session);
        if (one.open.size === 0) hosts.delete(key);
      };
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
