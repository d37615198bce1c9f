import { describe, expect, test } from '@jest/globals';
import { QUEUES, queueOf, ROLES, WORKFLOWS, workflowId } from '../../../model/cold/names.ts';
import type { WorkflowType } from '../../../model/cold/names.ts';

const TYPES = Object.keys(WORKFLOWS) as WorkflowType[];

describe('names of the cold plane', () => {
  test('each role has a queue of its own', () => {
    expect(new Set(Object.values(QUEUES)).size).toBe(ROLES.length);
  });

  test('each workflow is served by the queue of its role', () => {
    for (const type of TYPES) expect(Object.values(QUEUES)).toContain(queueOf(type));
    expect(queueOf('billingClose')).toBe('cold-billing');
  });

  test('ids of different workflows never meet', () => {
    const ids = TYPES.map((type) => workflowId[type]('x'));
    expect(new Set(ids).size).toBe(TYPES.length);
    expect(workflowId.databaseDeletion('db-a')).toBe('delete:db-a');
  });
});
