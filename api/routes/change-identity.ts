/** change, delete, undelete, password: changes of the identity document, which wake nothing */
import { changeRequest, passwordRequest } from '../../contract/requests.ts';
import { databaseGet } from '../../db/hot/database-find.ts';
import { makePassword, withPassword } from '../../lib/verifier.ts';
import type { Identity } from '../../model/identity.ts';
import type { PasswordAnswer } from '../../model/wire.ts';
import { orAway } from '../anywhere.ts';
import { databaseAnswer } from '../database-answer.ts';
import { changeIdentity, deleteDatabase, type Change } from '../identity.ts';
import { ok, route } from '../route.ts';
import { staleAnswer } from './get-database.ts';

export const patchDatabase = route({
  method: 'patch',
  path: '/v1/databases/:id',
  scopes: ['operator', 'create'],
  summary:
    'Change idle time, ignore list, allow list, TLS rule, labels; the size from the next start.',
  body: changeRequest,
  async handle(context, { params, body, requestId }) {
    const id = params['id'] ?? '';
    await changeIdentity(context, id, () => body as Change, requestId);
    const row = await orAway(databaseGet(context.hot, id), () => undefined);
    return ok(row ? databaseAnswer(row) : await staleAnswer(context, id, requestId));
  },
});

export const removeDatabase = route({
  method: 'delete',
  path: '/v1/databases/:id',
  scopes: ['operator', 'create'],
  summary: 'Delete a database. Nothing wakes it any more; its data go later.',
  async handle(context, { params, requestId }) {
    const id = params['id'] ?? '';
    return ok({ id, deleted_at: await deleteDatabase(context, id, requestId) });
  },
});

export const postUndelete = route({
  method: 'post',
  path: '/v1/databases/:id/undelete',
  scopes: ['operator', 'cold'],
  summary: 'Take a delete back while the data are there. What still runs, runs on.',
  async handle(context, { params, requestId }) {
    const id = params['id'] ?? '';
    await changeIdentity(context, id, () => ({ deleted_at: null }), requestId);
    return ok({ id });
  },
});

export const postPassword = route({
  method: 'post',
  path: '/v1/databases/:id/password',
  scopes: ['operator', 'cold'],
  summary: 'A new password in the place of all or beside the oldest; or revoke all but the newest.',
  body: passwordRequest,
  async handle(context, { params, body: { role, phase }, requestId }) {
    const id = params['id'] ?? '';
    const password = phase === 'revoke' ? undefined : makePassword();
    const changing = ({ roles }: Identity) =>
      withPassword(roles, role, password, phase === 'replace');
    await changeIdentity(context, id, changing, requestId);
    return ok({ id, role, password } satisfies PasswordAnswer);
  },
});
