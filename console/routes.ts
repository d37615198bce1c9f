/** What the console answers: one-time passwords, invoices, health. */
import { invoiceFind } from '../db/cold/invoice-store.ts';
import type { Cold } from '../db/cold/pool.ts';
import { sealedPasswordEmpty, sealedPasswordFind } from '../db/cold/sealed-password.ts';
import { textAnswer, type HttpRoute } from '../lib/http-server.ts';
import { openBox, passwordContext } from '../lib/sealed-box.ts';
import { monthPeriod } from '../model/cold/billing.ts';
import { AppError } from '../model/errors.ts';
import { isDatabaseId, isTenantName } from '../model/ids.ts';

/** Who may take a new password out, once; nothing else may, not even an operator. */
const PASSWORDS_SCOPE = 'passwords';
const OPERATOR_SCOPE = 'operator';

/** What needs no quoting in a path. */
const ROTATION = /^[A-Za-z0-9._:-]{1,100}$/;

export interface ConsoleContext {
  readonly cold: Cold;
  /** PEM. */
  readonly sealingKey: string;
  readonly metrics: HttpRoute;
}

/** POST …/open. */
export interface OpenedPassword {
  readonly rotation: string;
  readonly database: string;
  readonly role: string;
  readonly password: string;
}

/**
 * Opens a sealed password and empties its row in one transaction: the answer goes out after the
 * commit, so that two who ask at once never both get it. An answer that is lost on its way is lost;
 * another rotation makes another password.
 */
async function openPassword(
  context: ConsoleContext,
  rotation: string,
  database: string,
): Promise<OpenedPassword> {
  if (!ROTATION.test(rotation) || !isDatabaseId(database)) throw new AppError('password_not_found');
  return context.cold.transaction(async (run) => {
    const found = await sealedPasswordFind(run, rotation, database);
    if (found === undefined) throw new AppError('password_not_found');
    if (found.sealed === null) throw new AppError('password_opened');
    const { role } = found;
    const about = passwordContext(rotation, database, role);
    const password = openBox(context.sealingKey, found.sealed, about);
    if (password === undefined)
      throw new Error(`BUG: the password of ${database} is not sealed to this console's key`);
    await sealedPasswordEmpty(run, rotation, database);
    return { rotation, database, role, password };
  });
}

function health(context: ConsoleContext): readonly HttpRoute[] {
  const get = (path: string, handle: HttpRoute['handle']): HttpRoute => ({
    method: 'GET',
    path,
    scope: null,
    handle,
  });
  return [
    get('/livez', () => Promise.resolve({ status: 'ok' })),
    get('/readyz', async () => {
      await invoiceFind(context.cold.durable, '', '');
      return { status: 'served' };
    }),
    context.metrics,
  ];
}

export function consoleRoutes(context: ConsoleContext): readonly HttpRoute[] {
  return [
    {
      method: 'POST',
      path: '/v1/passwords/:rotation/:database/open',
      scope: PASSWORDS_SCOPE,
      handle: ({ params: { rotation = '', database = '' } }) =>
        openPassword(context, rotation, database),
    },
    {
      method: 'GET',
      path: '/v1/invoices/:tenant/:month',
      scope: OPERATOR_SCOPE,
      async handle({ params: { tenant = '', month = '' } }) {
        if (!isTenantName(tenant) || monthPeriod(month) === undefined)
          throw new AppError('invoice_not_found');
        const invoice = await invoiceFind(context.cold.durable, tenant, month);
        if (invoice === undefined) throw new AppError('invoice_not_found');
        return textAnswer(invoice.body, 200, 'application/json');
      },
    },
    ...health(context),
  ];
}
