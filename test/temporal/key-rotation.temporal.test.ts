/** keyRotation on a whole stack, with logins through the real proxy. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { postgresErrorOf } from '../../db/client.ts';
import { openBox, passwordContext } from '../../lib/sealed-box.ts';
import { ACCESS_FRESH_MS } from '../../model/limits.ts';
import type { RotationInput, RotationResult } from '../../model/cold/keys.ts';
import type { CreateAnswer } from '../../model/wire.ts';
import { describeTemporal, isSkipped } from './binary.ts';
import { ME, ask, progressOf, startTestFleet, type TestFleet } from './fleet.ts';
import { until } from './server.ts';

let fleet: TestFleet;
let databases: CreateAnswer[];
/** Password by database, as of the last rotation that ended. */
const current = new Map<string, string>();
const secrets: string[] = [];

beforeAll(async () => {
  if (isSkipped) return;
  fleet = await startTestFleet();
  databases = await fleet.create(5, 2);
  for (const { id, password } of databases) current.set(id, password);
  secrets.push(...current.values());
}, 180_000);
afterAll(() => (isSkipped ? undefined : fleet.stop()));

const start = (name: string, over: Partial<RotationInput> = {}) =>
  fleet.start('keyRotation', `rotate:${name}`, {
    name,
    targets: 'all',
    grace_ms: 3_600_000,
    batch: 3,
    retry_ms: 100,
    ...over,
  });
const states = () => Promise.all(databases.map(({ id }) => fleet.state(id)));

/** `ok`, or the SQLSTATE. */
async function login({ connection_string }: CreateAnswer, password: string): Promise<string> {
  const url = new URL(connection_string);
  url.password = password;
  try {
    await ask(url.toString(), 'select 1');
    return 'ok';
  } catch (error) {
    return postgresErrorOf(error)?.code ?? String(error);
  }
}

/** The new passwords, as the console opens them. */
async function open(rotation: string): Promise<Map<string, string>> {
  const rows = await fleet.cold('select * from sealed_password where rotation = $1', [rotation]);
  const opened = rows.map(({ database_id, sealed }): [string, string] => {
    const context = passwordContext(rotation, String(database_id), 'owner');
    return [String(database_id), openBox(fleet.sealingKey, String(sealed), context) ?? 'none'];
  });
  secrets.push(...opened.map(([, password]) => password));
  return new Map(opened);
}

const loginAll = (passwords: Map<string, string>) =>
  Promise.all(databases.map((one) => login(one, passwords.get(one.id) ?? '')));

/** A password that was revoked may be taken by what a proxy heard less than this ago. */
const heard = () => new Promise((resolve) => setTimeout(resolve, ACCESS_FRESH_MS + 200));

const ALL_OK = ['ok', 'ok', 'ok', 'ok', 'ok'];
const ALL_REFUSED = ['28P01', '28P01', '28P01', '28P01', '28P01'];

describeTemporal('keyRotation', () => {
  test('in the grace both passwords log in, then only the new one, and nothing is woken', async () => {
    const before = await states();
    const run = await start('first');
    await until(async () => (await progressOf(run)).phase === 'grace', 30_000);
    // Neither the sleeping nor the others: an epoch is a start.
    expect(await states()).toEqual(before);
    const old = new Map(current);
    const added = await open('first');
    expect(new Set([...added.values(), ...old.values()]).size).toBe(10);
    expect(await loginAll(old)).toEqual(ALL_OK);
    expect(await loginAll(added)).toEqual(ALL_OK);
    for (const { id } of databases.slice(2)) await fleet.suspend(id);
    const during = await states();
    await run.executeUpdate('pause', { args: [{ ...ME, reason: 'a look' }] });
    await run.executeUpdate('emergency', { args: [ME] });
    expect(await progressOf(run)).toMatchObject({ phase: 'grace', paused_by: ME.actor });
    await run.executeUpdate('resume', { args: [ME] });
    const result: RotationResult = await run.result();
    const counts = { total: 5, added: 5, revoked: 5, failed: 0, skipped: 0 };
    expect(result).toEqual({ outcome: 'done', ...counts });
    expect(await states()).toEqual(during);
    await heard();
    expect(await loginAll(old)).toEqual(ALL_REFUSED);
    // A refused login wakes nothing either.
    expect(await states()).toEqual(during);
    expect(await loginAll(added)).toEqual(ALL_OK);
    for (const [id, password] of added) current.set(id, password);
    expect(await fleet.cold('select phase from rotation')).toEqual([{ phase: 'done' }]);
  });

  test('after kill -9 of the worker it ends, and every sealed password is the one that works', async () => {
    const old = new Map(current);
    const run = await start('killed', { emergency: true, concurrency: 1, batch: 1 });
    await until(
      async () =>
        (await fleet.cold(`select from sealed_password where rotation = 'killed'`)).length > 0,
      20_000,
    );
    expect(fleet.stack.kill('worker', 'SIGKILL')).toBe(true);
    const result: RotationResult = await run.result();
    expect(result).toMatchObject({ outcome: 'done', added: 5, revoked: 5 });
    const added = await open('killed');
    expect(await loginAll(added)).toEqual(ALL_OK);
    await heard();
    expect(await loginAll(old)).toEqual(ALL_REFUSED);
    for (const [id, password] of added) current.set(id, password);
  });

  test('without grace the old password ends with the rotation', async () => {
    const old = new Map(current);
    const targets = databases.slice(0, 1).map(({ id }) => id);
    const result: RotationResult = await (
      await start('short', { targets, grace_ms: 500 })
    ).result();
    expect(result).toMatchObject({ outcome: 'done', total: 1, revoked: 1 });
    const [database] = databases;
    if (database === undefined) throw new Error('no database');
    await heard();
    expect(await login(database, old.get(database.id) ?? '')).toBe('28P01');
    for (const [id, password] of await open('short')) current.set(id, password);
    expect(await loginAll(current)).toEqual(ALL_OK);
  });

  test('too many failures pause it, and aborted it leaves every password as it is', async () => {
    const run = await start('failing', { role: 'nobody' });
    await until(async () => (await progressOf(run)).paused_by === 'workflow', 20_000);
    await run.executeUpdate('abort', { args: [{ ...ME, reason: 'a test' }] });
    const result: RotationResult = await run.result();
    expect(result).toMatchObject({ outcome: 'aborted', added: 0, revoked: 0 });
    expect(result.failed).toBeGreaterThan(0);
    expect(await loginAll(current)).toEqual(ALL_OK);
    expect(await fleet.cold('select * from hold')).toEqual([]);
  });

  test('aborted in the grace both passwords stay', async () => {
    const old = new Map(current);
    const run = await start('aborted');
    await until(async () => (await progressOf(run)).phase === 'grace', 30_000);
    await run.executeUpdate('abort', { args: [{ ...ME, reason: 'a test' }] });
    expect(await run.result()).toMatchObject({ outcome: 'aborted', added: 5, revoked: 0 });
    const added = await open('aborted');
    // The proxy has just heard of the old ones; the new ones count at once nevertheless.
    expect(await loginAll(old)).toEqual(ALL_OK);
    expect(await loginAll(added)).toEqual(ALL_OK);
  });

  test('a wrong input is a typed failure', async () => {
    for (const over of [{ name: '' }, { role: 'pilot' }, { grace_ms: -1 }])
      await expect((await start('wrong', over)).result()).rejects.toMatchObject({
        cause: { type: 'bad_request' },
      });
  });

  test('no password is in a history, in a file of the Temporal server, or in a log', async () => {
    expect(secrets.length).toBeGreaterThanOrEqual(20);
    const histories = await Promise.all(
      ['first', 'killed', 'short', 'failing', 'aborted'].map((name) =>
        fleet.history(`rotate:${name}`),
      ),
    );
    const logs = join(fleet.stack.endpoints.home, 'logs');
    const texts = await Promise.all(
      (await readdir(logs)).map((name) => readFile(join(logs, name), 'utf8')),
    );
    const all = [...histories.flatMap(({ json, payloads }) => [json, payloads]), ...texts].join(
      '\n',
    );
    expect(all).toContain('rotationAdd');
    for (const secret of secrets) {
      expect(all.includes(secret)).toBe(false);
      expect(await fleet.isInServer(secret)).toBe(false);
    }
    // What is there is found.
    expect(await fleet.isInServer('rotationAdd')).toBe(true);
  });
});
