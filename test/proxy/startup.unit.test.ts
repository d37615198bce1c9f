/** Which database and role a start-up packet names, and what of it goes on to Postgres. */
import { describe, expect, test } from '@jest/globals';
import { readLogin, takeEndpoint } from '../../proxy/startup.ts';

describe('who wants what', () => {
  const loginOf = (values: Record<string, string>, minor = 0, servername?: string) =>
    readLogin({ kind: 'startup', minor, parameters: new Map(Object.entries(values)) }, servername);

  test('is the database named by `database`, and inside it the one of the owner', () => {
    const login = loginOf({ user: 'owner', database: 'db-x', application_name: 'psql' });
    expect(login).toMatchObject({ database: 'db-x', role: 'owner', applicationName: 'psql' });
    expect(Object.fromEntries(login.parameters)).toEqual({
      user: 'owner',
      database: 'main',
      application_name: 'psql',
    });
    expect(login.negotiate).toBe(false);
  });

  test('is the role, as in Postgres, where no database is named', () => {
    expect(loginOf({ user: 'owner' }).database).toBe('owner');
    expect(loginOf({ user: 'owner', options: 'endpoint=db-x' }).parameters.get('database')).toBe(
      'owner',
    );
  });

  test.each([
    ['endpoint=db-x', ''],
    ['-c endpoint=db-x', ''],
    ['-cendpoint=db-x -c work_mem=1MB', '-c work_mem=1MB'],
    ['-c work_mem=1MB --endpoint=db-x', '-c work_mem=1MB'],
    ['-c a=b endpoint=db-x -c c=d', '-c a=b -c c=d'],
  ])('is named in the options %p, which go on as %p', (options, rest) => {
    expect(takeEndpoint(options)).toEqual({ endpoint: 'db-x', rest });
  });

  test.each(['-c my.endpoint=db-x', '-c a=b\\ endpoint=db-x', 'xendpoint=db-x', ''])(
    'is not named in the options %p',
    (options) => expect(takeEndpoint(options)).toEqual({ endpoint: undefined, rest: options }),
  );

  test('options of the protocol are named back and not passed on', () => {
    const login = loginOf({ user: 'owner', '_pq_.a': '1' }, 2);
    expect(login).toMatchObject({ unrecognized: ['_pq_.a'], negotiate: true, minor: 2 });
    expect(login.parameters.has('_pq_.a')).toBe(false);
  });

  test.each([
    [0, 0, false],
    [1, 1, false],
    [2, 2, false],
    [3, 2, true],
    [9999, 2, true],
  ])('version 3.%i is spoken as 3.%i', (minor, spoken, negotiate) => {
    expect(loginOf({ user: 'owner' }, minor)).toMatchObject({ minor: spoken, negotiate });
  });

  describe('with a host name', () => {
    const id = 'db-aaaaaaaaaaaaaaaaaaaa';
    const other = 'db-bbbbbbbbbbbbbbbbbbbb';
    test.each([
      ['its first label, and `database` is the one inside', {}, `${id}.example.com`, id, 'app'],
      ['in any case', {}, `${id.toUpperCase()}.Example.com`, id, 'app'],
      ['alone', {}, id, id, 'app'],
      ['unless the options name one', { options: `endpoint=${other}` }, `${id}.x`, other, 'app'],
      ['also if `database` is the id again', { database: id }, `${id}.x`, id, 'main'],
      ['not if it is no id', { database: other }, 'proxy.example.com', other, 'main'],
      ['not without one', { database: other }, undefined, other, 'main'],
    ])('is %s', (_, values, servername, database, inside) => {
      const login = loginOf({ user: 'owner', database: 'app', ...values }, 0, servername);
      expect(login.database).toBe(database);
      expect(login.parameters.get('database')).toBe(inside);
    });
  });

  test.each([
    ['false', false],
    ['off', false],
    ['0', false],
    ['NO', false],
    ['true', true],
    ['on', true],
    ['database', true],
    ['', true],
  ])('replication=%s is told', (value, replication) => {
    expect(loginOf({ user: 'owner', replication: value }).replication).toBe(replication);
    expect(loginOf({ user: 'owner' }).replication).toBe(false);
  });
});
