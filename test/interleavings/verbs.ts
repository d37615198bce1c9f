/** The api's verbs as callers use them, by the routes' own handlers. */
import { postDatabases } from '../../api/routes/post-databases.ts';
import { postUndelete, removeDatabase } from '../../api/routes/change-identity.ts';
import { postSync } from '../../api/routes/host.ts';
import { postStart, postSuspend } from '../../api/routes/run.ts';
import type { Route } from '../../api/context.ts';
import type { CreateAnswer, HostReport, StartAnswer, SuspendAnswer } from '../../model/wire.ts';
import type { Api } from './world.ts';

async function call<T>(
  api: Api,
  route: Route,
  id: string,
  sent: unknown,
  scope: string,
): Promise<T> {
  const answer = await route.handle(api.context, {
    params: { id },
    body: route.body?.parse(sent),
    query: {},
    requestId: 'test',
    caller: { name: scope, scopes: [scope], sha256: [] },
    idempotencyKey: undefined,
  });
  return answer.body as T;
}

export const create = (api: Api): Promise<CreateAnswer> =>
  call(api, postDatabases, '', { tenant: 'acme' }, 'operator');

export const start = (api: Api, id: string, stale?: number): Promise<StartAnswer> =>
  call(api, postStart, id, stale === undefined ? {} : { stale_epoch: stale }, 'operator');

export const suspend = (
  api: Api,
  id: string,
  epoch: number,
  if_idle: boolean,
): Promise<SuspendAnswer> => call(api, postSuspend, id, { epoch, if_idle }, 'proxy');

export const remove = (api: Api, id: string): Promise<unknown> =>
  call(api, removeDatabase, id, undefined, 'operator');

export const undelete = (api: Api, id: string): Promise<unknown> =>
  call(api, postUndelete, id, undefined, 'operator');

export const sync = (api: Api, report: HostReport): Promise<unknown> =>
  call(api, postSync, report.host, report, 'host');
