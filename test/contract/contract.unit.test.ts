import { describe, expect, test } from '@jest/globals';
import { ROUTES } from '../../api/server.ts';
import { ANSWERS } from '../../contract/answers.ts';
import { changeRequest, createRequest, startRequest } from '../../contract/requests.ts';

describe('the contract', () => {
  test('has an answer for each route, and a route for each answer', () => {
    const routes = ROUTES.map(({ method, path }) => `${method} ${path}`);
    expect(Object.keys(ANSWERS).toSorted()).toEqual(routes.toSorted());
  });

  test('of a create has a default for all but the tenant', () => {
    expect(createRequest.parse({ tenant: 'acme' })).toEqual({
      tenant: 'acme',
      size: 'small',
      idle_ms: 300_000,
      idle_sessions: 'close',
      ignore: [],
      allow: [],
      tls: 'optional',
      labels: {},
    });
  });

  test.each([
    [{ tenant: 'Acme' }, 'tenant'],
    [{ tenant: 'acme', size: 'huge' }, 'size'],
    [{ tenant: 'acme', idle_ms: -1 }, 'idle_ms'],
    [{ tenant: 'acme', allow: ['10.0.0.0/33'] }, 'allow'],
    [{ tenant: 'acme', labels: { '': 'x' } }, 'labels'],
  ])('of a create refuses %j and names the field', (body, field) => {
    expect(createRequest.safeParse(body).error?.issues[0]?.path[0]).toBe(field);
  });

  test('knows no fields but its own, so that a slip of the pen is not taken for a wish', () => {
    expect(createRequest.safeParse({ tenant: 'acme', idle: 1 }).success).toBe(false);
    expect(changeRequest.safeParse({ tenant: 'acme' }).success).toBe(false);
    expect(startRequest.safeParse({ cause: { sauce: 'x' } }).success).toBe(false);
  });

  test('of a change has no defaults: what is not named stays', () => {
    expect(changeRequest.parse({})).toEqual({});
  });
});
