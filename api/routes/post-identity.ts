/** password and undelete: changes of the identity document alone, which wake nothing */
import { passwordRequest } from '../../contract/requests.ts';
import { makePassword, withPassword } from '../../lib/verifier.ts';
import type { Identity } from '../../model/identity.ts';
import type { PasswordAnswer } from '../../model/wire.ts';
import { changeIdentity } from '../identity.ts';
import { ok, route } from '../route.ts';

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
