import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invoiceFind, invoicePut } from '../../db/cold/invoice-store.ts';
import type { Cold } from '../../db/cold/pool.ts';
import { sealedPasswordPut } from '../../db/cold/sealed-password.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { freePort } from '../../lib/free-port.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { createSealingKeys, passwordContext, sealBox } from '../../lib/sealed-box.ts';
import { hashToken } from '../../lib/tokens.ts';
import { invoiceOf, invoiceText } from '../../model/cold/billing.ts';
import { ask, openTestCold } from '../support/cold.ts';
import { createColdTestDatabase, urlAs, type TestDatabase } from '../support/database.ts';

const ID = 'db-aaaaaaaaaaaaaaaaaaaa';
const ROTATION = '2026-11';
const keys = createSealingKeys();

describe('the console', () => {
  let database: TestDatabase;
  let cold: Cold;
  let folder: string;
  let url: string;
  let stop: () => Promise<void>;
  const clients = {
    passwords: createJsonClient('token-passwords'),
    operator: createJsonClient('token-operator'),
    nobody: createJsonClient('token-nobody'),
  };

  /** The real main of dist/; `pretest` has built it. */
  async function startConsole(settings: Readonly<Record<string, string>> = {}) {
    const port = await freePort();
    const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'dist/console/main.js')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: childEnvironment({
        PILOTLIGHT_PORT: String(port),
        PILOTLIGHT_COLD_URL: urlAs(database, 'pilotlight_console'),
        PILOTLIGHT_TOKENS: ['passwords', 'operator']
          .map((scope) => `${scope}=${hashToken(`token-${scope}`)}`)
          .join(','),
        PILOTLIGHT_SEALING_KEY_FILE: join(folder, 'sealing.pem'),
        ...settings,
      }),
    });
    let said = '';
    const listening = new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('listening')) resolve();
      });
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { child, port, listening, ended, said: () => said };
  }

  beforeAll(async () => {
    database = await createColdTestDatabase();
    cold = openTestCold(database);
    folder = await mkdtemp(join(tmpdir(), 'pilotlight-console-'));
    await writeFile(join(folder, 'sealing.pem'), keys.privateKey, { mode: 0o600 });
    const { child, port, listening, ended, said } = await startConsole();
    await Promise.race([listening, ended.then(() => Promise.reject(new Error(said())))]);
    url = `http://127.0.0.1:${port}`;
    stop = async () => {
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    };
  });
  afterAll(async () => {
    await stop();
    for (const client of Object.values(clients)) client.close();
    await cold.close();
    await database.drop();
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    const admin = openTestCold(database, 'postgres');
    await ask(admin, 'truncate sealed_password');
    await admin.close();
  });

  const put = (publicKey = keys.publicKey, about = passwordContext(ROTATION, ID, 'owner')) =>
    sealedPasswordPut(cold, {
      rotation: ROTATION,
      database: ID,
      role: 'owner',
      sealed: sealBox(publicKey, 'new-password', about),
    });
  const open = (who: keyof typeof clients = 'passwords', path = `${ROTATION}/${ID}`) =>
    clients[who].call(`${url}/v1/passwords/${path}/open`, { method: 'POST', timeoutMs: 5000 });
  const get = (who: keyof typeof clients, path: string) =>
    clients[who].call(`${url}${path}`, { timeoutMs: 5000 });

  test('gives a new password out once, and empties its row', async () => {
    await put();
    expect(await open()).toEqual({
      rotation: ROTATION,
      database: ID,
      role: 'owner',
      password: 'new-password',
    });
    await expect(open()).rejects.toMatchObject({ code: 'password_opened' });
    const admin = openTestCold(database, 'postgres');
    expect(
      await ask(admin, 'select sealed, opened_at is not null as opened from sealed_password'),
    ).toEqual([{ sealed: null, opened: true }]);
    await admin.close();
  });

  test('of many who ask at once one gets it', async () => {
    await put();
    const answers = await Promise.allSettled(Array.from({ length: 12 }, () => open()));
    expect(answers.filter((answer) => answer.status === 'fulfilled')).toHaveLength(1);
    const codes = answers.flatMap((a) =>
      a.status === 'rejected' ? [(a.reason as { code: string }).code] : [],
    );
    expect(new Set(codes)).toEqual(new Set(['password_opened']));
  });

  test('who asks while another takes it out waits, and hears that it is gone', async () => {
    await put();
    const admin = openTestCold(database, 'postgres');
    const waits = `select 1 from pg_stat_activity
      where application_name = 'pilotlight-console' and wait_event_type = 'Lock'`;
    const asked = await admin.transaction(async (run) => {
      await run({ name: '', text: 'update sealed_password set sealed = null' }, []);
      const second = open().catch((error: unknown) => error);
      while ((await ask(admin, waits)).length === 0)
        await new Promise((resolve) => setTimeout(resolve, 10));
      return { second };
    });
    expect(await asked.second).toMatchObject({ code: 'password_opened' });
    await admin.close();
  });

  test('a password that was made again can be opened again', async () => {
    await put();
    await open();
    await put();
    expect(await open()).toMatchObject({ password: 'new-password' });
  });

  test('nobody but scope passwords opens, and what is not there is not found', async () => {
    await put();
    await expect(open('operator')).rejects.toMatchObject({ code: 'forbidden' });
    await expect(open('nobody')).rejects.toMatchObject({ code: 'unauthenticated' });
    for (const path of [`other/${ID}`, `${ROTATION}/x`, `%ff/${ID}`])
      await expect(open('passwords', path)).rejects.toMatchObject({ code: 'password_not_found' });
    expect(await open()).toMatchObject({ password: 'new-password' });
  });

  test('what is sealed to another key or for another row stays as it is', async () => {
    await put(createSealingKeys().publicKey);
    await expect(open()).rejects.toMatchObject({ code: 'internal' });
    await put(keys.publicKey, passwordContext(ROTATION, ID, 'other'));
    await expect(open()).rejects.toMatchObject({ code: 'internal' });
    const admin = openTestCold(database, 'postgres');
    expect(await ask(admin, 'select sealed is not null as there from sealed_password')).toEqual([
      { there: true },
    ]);
    await admin.close();
  });

  test('hands out an invoice as it was written', async () => {
    const invoice = invoiceOf({
      tenant: 'acme',
      month: '2026-10',
      state: 'issued',
      usage: [{ month: '2026-10', database: ID, size: 'small', ms: 3_600_000 }],
      charged: [],
      prices: [{ size: 'small', from_month: '1970-01', micro_per_hour: 16_000 }],
    });
    await invoicePut(cold.durable, invoice, invoiceText(invoice));
    expect(await get('operator', '/v1/invoices/acme/2026-10')).toEqual(invoice);
    const answer = await get('passwords', '/v1/invoices/acme/2026-10').catch((e: unknown) => e);
    expect(answer).toMatchObject({ code: 'forbidden' });
    for (const path of ['acme/2026-11', 'acme/never', 'ACME/2026-10'])
      await expect(get('operator', `/v1/invoices/${path}`)).rejects.toMatchObject({
        code: 'invoice_not_found',
      });
  });

  test('answers health and metrics to anyone', async () => {
    expect(await get('nobody', '/livez')).toEqual({ status: 'ok' });
    expect(await get('nobody', '/readyz')).toEqual({ status: 'served' });
  });

  test('its role reads invoices and sealed passwords and nothing else, workers never a sealed one', async () => {
    const own = openTestCold(database, 'pilotlight_console');
    await invoiceFind(own.durable, 'a', 'b');
    for (const text of [
      'select * from event',
      'delete from sealed_password',
      'update invoice set body = body',
    ])
      await expect(ask(own, text)).rejects.toThrow(/permission denied/);
    await own.close();
    await expect(ask(cold, 'select sealed from sealed_password')).rejects.toThrow(
      /permission denied/,
    );
  });

  test.each([
    ['others may read the key', async () => chmod(join(folder, 'other.pem'), 0o644), 'chmod 600'],
    ['the key is none', async () => writeFile(join(folder, 'other.pem'), 'x'), 'X25519'],
    ['there is no key', async () => rm(join(folder, 'other.pem')), 'ENOENT'],
  ])('ends with one sentence when %s', async (_, spoil, sentence) => {
    const path = join(folder, 'other.pem');
    await rm(path, { force: true });
    await writeFile(path, keys.privateKey, { mode: 0o600 });
    await spoil();
    const { ended, said } = await startConsole({ PILOTLIGHT_SEALING_KEY_FILE: path });
    expect(await ended).toBe(1);
    expect(said()).toMatch(/^console: PILOTLIGHT_SEALING_KEY_FILE: [^\n]*\n$/);
    expect(said()).toContain(sentence);
  });
});
