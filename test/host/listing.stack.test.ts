/** The documents of the volume, page by page, with the last run of each directory. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import { IDENTITIES_PER_PAGE, type IdentityPage } from '../../host/contract.ts';
import type { Identity } from '../../model/identity.ts';
import { createStage, newDatabase, newIdentity, type Host, type Stage } from '../support/host.ts';

let stage: Stage;
let one: Host;
let two: Host;

beforeAll(async () => {
  stage = await createStage();
  [one, two] = await Promise.all([
    stage.startHost({ host: 'host-1' }),
    stage.startHost({ host: 'host-2' }),
  ]);
});
afterAll(() => stage.remove());

const list = (after?: string): Promise<IdentityPage> =>
  two.get(after === undefined ? '/v1/identities' : `/v1/identities/${after}`);

async function asleep(slot: number): Promise<string> {
  const database = newDatabase();
  const { epoch } = await one.create(database, slot);
  await one.post('suspend', { database, epoch, if_idle: false });
  return database;
}

/** A document by itself, as a create leaves it; nobody looks for its directory here. */
async function writeDocument(text?: string): Promise<string> {
  const id = newDatabase();
  const document = { ...newIdentity(id), directory: 'a'.repeat(16), version: 1 };
  await mkdir(stage.volume.database(id).folder, { mode: 0o700 });
  await writeFile(stage.volume.database(id).document, text ?? JSON.stringify(document));
  return id;
}

it('says of each what was minted last, by whom, and whether that is over', async () => {
  const running = newDatabase();
  const { directory } = await one.create(running, 1);
  const sleeping = await asleep(2);
  await two.attach(sleeping, 7);
  await two.post('suspend', { database: sleeping, epoch: 7, if_idle: false });
  const purged = await asleep(3);
  const document = await one.get<Identity>(`/v1/identity/${purged}`);
  const deleted_at = '2026-11-24T00:00:00.000Z';
  await one.put(`/v1/identity/${purged}`, {
    expected_version: document.version,
    document: { ...document, deleted_at },
  });
  const isPurged = async (): Promise<boolean | undefined> =>
    (await list()).identities.find(({ identity }) => identity.id === purged)?.purged;
  expect(await isPurged()).toBe(false);
  await one.remove(`/v1/directories/${purged}`);
  expect(await isPurged()).toBe(true);

  const { identities, hosts, next } = await list();
  expect(hosts).toEqual(['host-1', 'host-2']);
  expect(next).toBeNull();
  const found = Object.fromEntries(identities.map((item) => [item.identity.id, item]));
  expect(found[running]).toEqual({
    identity: await one.get(`/v1/identity/${running}`),
    run: { epoch: 1, host: 'host-1', released: false },
    purged: false,
  });
  expect(found[running]?.identity.directory).toBe(directory);
  expect(found[sleeping]).toMatchObject({ run: { epoch: 7, host: 'host-2', released: true } });
  expect(found[purged]).toMatchObject({ identity: { deleted_at, version: 2 } });
});

it('comes in pages, each database once and in order, and names what is damaged', async () => {
  const made = await Promise.all(
    Array.from({ length: 2 * IDENTITIES_PER_PAGE }, () => writeDocument()),
  );
  const damaged = await writeDocument('not JSON');
  // As a create leaves it that has only just begun, and what is no database at all.
  const begun = newDatabase();
  for (const name of [begun, 'lost+found'])
    await mkdir(stage.volume.database(name).folder, { mode: 0o700 });
  const ids: string[] = [];
  const broken: string[] = [];
  let pages = 0;
  for (let next: string | null | undefined; next !== null; pages++) {
    const page: IdentityPage = await list(next);
    ids.push(...page.identities.map(({ identity }) => identity.id));
    broken.push(...page.damaged);
    expect(page.identities.length).toBeLessThanOrEqual(IDENTITIES_PER_PAGE);
    next = page.next;
  }
  expect(pages).toBe(3);
  expect(ids).toEqual([...ids].sort());
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(expect.arrayContaining(made));
  expect(ids).not.toContain(begun);
  expect(ids).toHaveLength(made.length + 3);
  expect(broken).toEqual([damaged]);
});
