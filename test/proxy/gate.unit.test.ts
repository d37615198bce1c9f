/** What a gate leads to, and how its name is read. Pure. */
import { describe, expect, test } from '@jest/globals';
import { isServed } from '../../proxy/gate.ts';
import { createPeers, endOf } from '../../proxy/peers.ts';

const FOLDERS = ['/run/one', '/run/two'];

describe('a gate', () => {
  test.each([
    '/run/one/abc123.1/.s.PGSQL.5432',
    '/run/two/0z.4294967295/.s.PGSQL.5432',
    '/run/two/access.sock',
  ])('leads to %s', (path) => expect(isServed(path, FOLDERS)).toBe(true));

  test.each([
    '',
    '/',
    '/run/one',
    '/run/one/',
    '/run/three/abc.1/.s.PGSQL.5432',
    '/run/one/../three/abc.1/.s.PGSQL.5432',
    '/run/one/abc.1/../../three/access.sock',
    '/run/one/abc.1/x/.s.PGSQL.5432',
    '/run/one/abc/.s.PGSQL.5432',
    '/run/one/abc.1/.s.PGSQL.5432.lock',
    '/run/one/abc.1/log',
    '/run/one/roles/abc',
    '/run/onemore/access.sock',
    'run/one/access.sock',
    '/run/one/access.sock\0',
  ])('does not lead to %j', (path) => expect(isServed(path, FOLDERS)).toBe(false));
});

test('a gate is named as a URL has it', () => {
  expect(endOf('host-1.fleet:7480')).toEqual({ host: 'host-1.fleet', port: 7480 });
  expect(endOf('[fd00::1]:7480')).toEqual({ host: 'fd00::1', port: 7480 });
});

test('what is behind the own gate is here, and everything is where there are no other machines', () => {
  const address = { socket: 'tls://a:1/run/one/abc.1', port: 5432 };
  const here = { gate: undefined, path: '/run/one/abc.1/.s.PGSQL.5432' };
  const context = (): never => {
    throw new Error('not needed');
  };
  expect(createPeers({ own: 'a:1', context }).postgres(address)).toEqual(here);
  expect(createPeers({ own: '', context: undefined }).postgres(address)).toEqual(here);
  const elsewhere = createPeers({ own: 'b:1', context });
  expect(elsewhere.postgres(address)).toEqual({ ...here, gate: 'a:1' });
  expect(elsewhere.agent(address)).toEqual({ gate: 'a:1', path: '/run/one/access.sock' });
  expect(elsewhere.postgres({ ...address, socket: '/run/one/abc.1' })).toEqual(here);
});
