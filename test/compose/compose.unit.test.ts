/** docker-compose.yml against the schema of its format and against what we say of it. */
import { expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { ALL_KEYS, type ManagementKey } from '../../lib/config-management.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { ROLES } from '../../model/cold/names.ts';
import {
  entrypoint,
  imageEnvironment,
  isHot,
  isOneShot,
  isOurs,
  readCompose,
  textOf,
  type ComposeFile,
  type Service,
} from './compose-file.ts';

const file = readCompose();
const services = Object.entries(file.services);
const named = (pattern: RegExp): Service[] =>
  services.filter(([name]) => pattern.test(name)).map(([, service]) => service);

/**
 * The Compose Specification's own schema (Apache-2.0), as the npm package dclint 3.1.0 ships it. Its
 * `$schema` names draft 7 by an address that Ajv does not know; draft 7 is Ajv's default.
 */
function wrongOf(compose: ComposeFile): string[] {
  const { $schema: _, ...schema } = JSON.parse(
    textOf('test/compose/compose-spec.schema.json'),
  ) as Record<string, unknown>;
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
  validate(compose);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** What of the hot path could not start, or talk, without something cold. */
function tiesToCold({ services: all }: ComposeFile): string[] {
  return Object.entries(all)
    .filter(([name]) => isHot(name))
    .flatMap(([name, { depends_on = {}, networks = [] }]) =>
      [
        ...Object.keys(depends_on).filter((other) => !isHot(other)),
        ...networks.filter((network) => network !== 'hot'),
      ].map((what) => `${name}: ${what}`),
    );
}

test('it is valid by the schema of compose files', () => {
  expect(wrongOf(file)).toEqual([]);
  expect(wrongOf(readCompose('services: { api: { image: x, restat: always } }'))).toHaveLength(1);
});

test('nothing hot depends on anything cold, or is on a network with it', () => {
  expect(tiesToCold(file)).toEqual([]);
  const tied = readCompose(
    'services: { api-1: { depends_on: { temporal: {} }, networks: [hot, cold] } }',
  );
  expect(tiesToCold(tied)).toEqual(['api-1: temporal', 'api-1: cold']);
});

test('there are two of what the hot path has two of, and a worker for each role', () => {
  for (const name of ['api', 'proxy', 'host'])
    expect(named(new RegExp(`^${name}-\\d$`))).toHaveLength(2);
  const roles = named(/^worker-/).map(({ command = [] }) => command.at(-1));
  expect(roles).toHaveLength(ROLES.length);
  expect(new Set(roles)).toEqual(new Set<string>(ROLES));
  for (const name of ['hot', 'cold', 'temporal', 'temporal-db', 'temporal-ui', 'console'])
    expect(file.services).toHaveProperty(name);
});

test('hosts and proxies have one image and one run folder, and hosts one volume', () => {
  const mounts = [...named(/^host-/), ...named(/^proxy-/)].map(({ image, volumes = [] }) => ({
    image,
    run: volumes.find((volume) => volume.startsWith('run:')),
  }));
  expect(new Set(mounts.map((mount) => JSON.stringify(mount))).size).toBe(1);
  expect(mounts[0]).toEqual({ image: 'pilotlight', run: 'run:/run/pilotlight' });
  for (const { volumes = [], environment = {} } of named(/^host-/)) {
    expect(volumes).toContain(`volume:${environment['PILOTLIGHT_VOLUME']}`);
    expect(environment['PILOTLIGHT_RUN']).toMatch(/^\/run\/pilotlight\/host-\d$/);
  }
});

test('settings are ours, and no secret stands in the file', () => {
  for (const [, service] of services.filter(([, one]) => isOurs(one)))
    for (const key of Object.keys(service.environment ?? {})) {
      expect(ALL_KEYS).toHaveProperty(key);
      expect(ALL_KEYS[key as ManagementKey]).not.toHaveProperty('secret');
    }
  for (const [, { environment = {} }] of services)
    expect(Object.keys(environment).join(' ')).not.toMatch(/PASSWORD|PWD|SECRET/);
});

test('everything starts again by itself, tells its health, and listens on this machine only', () => {
  for (const [name, service] of services) {
    if (isOneShot(service)) continue;
    expect({ name, restart: service.restart }).toEqual({ name, restart: 'unless-stopped' });
    if (name !== 'temporal-ui')
      expect({ name, test: service.healthcheck?.test[0] }).toEqual({
        name,
        test: expect.stringMatching(/^CMD/),
      });
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  }
});

test('what a file names is there', () => {
  for (const [, { networks = [], volumes = [], depends_on = {} }] of services) {
    for (const network of networks) expect(file.networks).toHaveProperty(network);
    // What `npm run compose` makes is no volume.
    for (const volume of volumes.filter((one) => !one.startsWith('./.compose/')))
      expect(file.volumes).toHaveProperty(volume.split(':')[0] ?? '');
    for (const other of Object.keys(depends_on)) expect(file.services).toHaveProperty(other);
  }
  for (const [, { command = [] }] of services.filter(([, one]) => isOurs(one)))
    expect(command[0]).toMatch(/^dist\/\w+\/\w+\.js$/);
});

test('the image has every folder that is compiled, the users, and starts Node', () => {
  const dockerfile = textOf('Dockerfile');
  const { include } = JSON.parse(textOf('tsconfig.json')) as { include: string[] };
  const copied = [...dockerfile.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, from]) =>
    (from ?? '').split(' '),
  );
  for (const path of include.filter((folder) => folder !== 'test')) expect(copied).toContain(path);
  const let_ = textOf('.dockerignore').split('\n');
  for (const path of copied) {
    expect(existsSync(join(PACKAGE_ROOT, path))).toBe(true);
    expect(let_).toContain(`!${path}`);
  }
  const environment = imageEnvironment();
  for (const key of ['PILOTLIGHT_PROXY_USER', 'PILOTLIGHT_SERVICE_USER'])
    expect(dockerfile).toMatch(new RegExp(`useradd .* ${environment[key]}\\b`));
  expect(entrypoint()).toEqual(['node', '--enable-source-maps']);
});
