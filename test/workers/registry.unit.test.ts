import { describe, expect, test } from '@jest/globals';
import { QUEUES, ROLES, WORKFLOWS } from '../../model/cold/names.ts';
import { definitionsOf, knownSchedules, rolesOf } from '../../workers/registry.ts';

const DEFINITIONS = definitionsOf(ROLES);

describe('the registry of roles', () => {
  test('takes `all`, one role or several, and nothing else', () => {
    expect(rolesOf(['all'])).toEqual(ROLES);
    expect(rolesOf(['pool', 'billing'])).toEqual(['pool', 'billing']);
    for (const wrong of [[], ['nobody'], ['pool', 'nobody']])
      expect(rolesOf(wrong)).toBeUndefined();
  });

  test('each role polls its own queue', () => {
    for (const { role, queue } of DEFINITIONS) expect(queue).toBe(QUEUES[role]);
  });

  test('each role of a workflow has activities to run', () => {
    const roles = new Set<string>(Object.values(WORKFLOWS));
    const without = DEFINITIONS.filter(
      ({ role, maxConcurrentActivities: max }) => roles.has(role) && max < 2,
    );
    expect(without.map(({ role }) => role)).toEqual([]);
  });

  test('schedules have ids of their own and start workflows of their role', () => {
    const ids = knownSchedules();
    expect(new Set(ids).size).toBe(ids.length);
    for (const { role, schedules = [] } of DEFINITIONS)
      for (const { type } of schedules) expect(WORKFLOWS[type]).toBe(role);
  });

  test('no schedule leaves its catch-up to the server, whose default is a year', () => {
    for (const { schedules = [] } of DEFINITIONS)
      for (const { catchupWindowMs, spec } of schedules) {
        expect(catchupWindowMs).toBeGreaterThanOrEqual(10_000);
        expect(spec.cronExpressions).toBeUndefined();
      }
  });
});
