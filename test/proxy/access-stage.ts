/** An access cache with an api and a host that say what the test wants. */
import type { AccessAnswer } from '../../model/wire.ts';
import { createAccessCache } from '../../proxy/access-cache.ts';
import type { HostAnswer } from '../../proxy/host-access.ts';
import type { Route } from '../../proxy/wake.ts';

export const DATABASE = 'db-aaaaaaaaaaaaaaaaaaaa';
export const never = new AbortController().signal;

export const accessOf = (version: number): AccessAnswer => ({
  database: DATABASE,
  tenant: 'acme',
  version,
  roles: {},
  allow: [],
  tls: 'optional',
  idle_ms: 0,
});

export function accessStage() {
  const stage = {
    now: 100_000,
    answers: true,
    asked: 0,
    say: (): Promise<AccessAnswer> => Promise.resolve(accessOf(1)),
    /** Where this proxy believes that it runs. */
    route: undefined as Route | undefined,
    askedHost: [] as number[],
    asleep: [] as number[],
    mayDiffer: true,
    hostSays: (): Promise<HostAnswer> => Promise.resolve('over'),
  };
  const cache = createAccessCache({
    api: {
      call: <T>() => {
        stage.asked += 1;
        return stage.say() as Promise<unknown> as Promise<T>;
      },
      answers: () => stage.answers,
    },
    host: {
      ask: (_, { epoch }) => {
        stage.askedHost.push(epoch);
        return stage.hostSays();
      },
      mayDiffer: () => stage.mayDiffer,
    },
    routeOf: () => stage.route,
    onAsleep: (_, epoch) => void stage.asleep.push(epoch),
    now: () => stage.now,
  });
  const get = (): Promise<AccessAnswer | undefined> => cache.look(DATABASE, stage.now, never).fresh;
  return { stage, cache, get };
}
