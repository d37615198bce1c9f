/** A database of its own for each file of the `db` project, cloned from the migrated template. */
import { randomBytes } from 'node:crypto';
import { connect } from '../../db/client.ts';

type Plane = 'hot' | 'cold';
const TEMPLATES = { hot: 'hot_template', cold: 'cold_template' } as const;
/** How jest's workers learn what its set-up started: they inherit the environment. */
const SERVER = 'PILOTLIGHT_TEST_POSTGRES';

/** Told once, by the set-up. */
export function serverUrlTo(url: string): void {
  process.env[SERVER] = url;
}

function urlOf(database: string): string {
  const server = process.env[SERVER];
  if (server === undefined) throw new Error('only tests named *.db.test.ts have a Postgres');
  return `${server}/${database}`;
}

async function admin(sql: string): Promise<void> {
  const client = await connect(urlOf('postgres'));
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Made once, by the set-up. */
export async function createTemplate(
  plane: Plane,
  migrate: (url: string) => Promise<void>,
): Promise<void> {
  await admin(`create database ${TEMPLATES[plane]}`);
  await migrate(urlOf(TEMPLATES[plane]));
}

export interface TestDatabase {
  /** Connects as superuser. */
  readonly url: string;
  /** Drops it, whoever is still connected. */
  readonly drop: () => Promise<void>;
}

async function create(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await admin(`create database ${name} template ${template} strategy file_copy`);
  return { url: urlOf(name), drop: () => admin(`drop database if exists ${name} with (force)`) };
}

/** A new database with the hot schema. Call it in `beforeAll`, and its `drop` in `afterAll`. */
export const createTestDatabase = (): Promise<TestDatabase> => create(TEMPLATES.hot);

/** The same with the cold schema. */
export const createColdTestDatabase = (): Promise<TestDatabase> => create(TEMPLATES.cold);

/** Given to each role of the migrations by the set-up: passwords are the server's, not a database's. */
export const ROLE_PASSWORD = 'only-for-tests';

/** The same database by a role of ours, which may what the migrations granted and nothing else. */
export function urlAs(database: TestDatabase, role: string): string {
  const url = new URL(database.url);
  url.username = role;
  url.password = ROLE_PASSWORD;
  return url.toString();
}

/** A new database without anything in it: for tests of the migrations themselves. */
export const createEmptyDatabase = (): Promise<TestDatabase> => create('template0');
