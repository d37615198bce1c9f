import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BROKEN_BACKOFF_STEPS_MS, STATES, type DatabaseState } from '../../model/state.ts';
import { INPUTS, TRANSITIONS, UNDATED, transition, type Input } from '../../model/transitions.ts';

const inputs = fc.array(fc.tuple(fc.constantFrom(...INPUTS), fc.boolean()), { maxLength: 60 });

/** The row after these inputs: its state and its epoch. */
function follow(steps: readonly (readonly [Input, boolean])[], from: DatabaseState = 'suspended') {
  let row = { state: from, epoch: 1 };
  for (const [input, current] of steps) {
    const cell = transition(row.state, input, current);
    if ('next' in cell)
      row = { state: cell.next, epoch: row.epoch + (cell.epoch === 'raised' ? 1 : 0) };
  }
  return row;
}

const nextOf = (state: DatabaseState, input: Input, current = true): DatabaseState =>
  follow([[input, current]], state).state;

describe('the state machine', () => {
  test('has a cell for every state and input', () => {
    for (const state of STATES)
      expect(Object.keys(TRANSITIONS[state]).sort()).toEqual([...INPUTS].sort());
    expect(Object.keys(TRANSITIONS).sort()).toEqual([...STATES].sort());
  });

  test('follows the wake and the suspend of a database', () => {
    expect(follow([['start', true]])).toEqual({ state: 'starting', epoch: 2 });
    const steps: Input[] = ['start', 'started', 'suspend', 'suspended', 'start'];
    expect(follow(steps.map((input) => [input, true]))).toEqual({ state: 'starting', epoch: 3 });
  });

  test('never lowers the epoch, and raises it by one with every new start and nothing else', () => {
    fc.assert(
      fc.property(inputs, fc.constantFrom(...STATES), (steps, state) => {
        const before = follow(steps, state);
        for (const input of INPUTS) {
          const after = follow([...steps, [input, true]], state);
          const raised = after.epoch - before.epoch;
          expect([0, 1]).toContain(raised);
          if (raised === 1) expect(after.state).toBe('starting');
        }
      }),
    );
  });

  test('a message of an earlier epoch changes nothing, but for the last word of who ran it last', () => {
    const dated = INPUTS.filter((input) => !UNDATED.includes(input));
    for (const state of STATES)
      for (const input of dated) {
        const cell = transition(state, input, false);
        if (input === 'start_stale') expect(cell).toBe(TRANSITIONS[state].start);
        else if (input === 'sync_running' && state === 'suspended')
          expect(cell).toEqual({ next: 'running', epoch: 'reported' });
        else expect(cell).toEqual({ stay: 'no-op' });
      }
  });

  test('what carries no epoch has no age', () => {
    for (const state of STATES)
      for (const input of UNDATED)
        expect(transition(state, input, false)).toBe(transition(state, input, true));
  });

  test('no transition state lasts: its deadline leads out', () => {
    expect(nextOf('starting', 'deadline')).toBe('suspended');
    expect(nextOf('suspending', 'deadline')).toBe('running');
  });

  test('nothing is ever stuck: a start and what it waits for lead to running', () => {
    fc.assert(
      fc.property(inputs, (steps) => {
        const { state } = follow(steps);
        if (state === 'deleting' || state === 'broken') return;
        expect(
          follow(
            [
              ['start', true],
              ['started', true],
            ],
            state,
          ).state,
        ).toBe('running');
      }),
    );
  });

  test('delete works in every state, and only an undelete leads back', () => {
    for (const state of STATES) expect(nextOf(state, 'delete')).toBe('deleting');
    fc.assert(
      fc.property(inputs, (steps) => {
        const others = steps.filter(([input]) => input !== 'undelete');
        expect(follow(others, 'deleting')).toEqual({ state: 'deleting', epoch: 1 });
      }),
    );
  });

  test('an undelete leaves it asleep, and is nothing to what was not deleted', () => {
    expect(follow([['undelete', true]], 'deleting')).toEqual({ state: 'suspended', epoch: 1 });
    for (const state of STATES)
      if (state !== 'deleting') expect(nextOf(state, 'undelete')).toBe(state);
  });

  test('a report never ends an assignment that is being made', () => {
    expect(nextOf('starting', 'sync_absent')).toBe('starting');
    expect(nextOf('suspending', 'sync_absent')).toBe('suspending');
    expect(nextOf('running', 'sync_absent')).toBe('suspended');
  });

  test('a wake that arrives while suspending is not lost', () => {
    expect(nextOf('suspending', 'start')).toBe('starting');
  });

  test('a broken database rests longer and longer, up to an hour', () => {
    expect(BROKEN_BACKOFF_STEPS_MS[0]).toBe(60_000);
    expect(BROKEN_BACKOFF_STEPS_MS.at(-1)).toBe(3_600_000);
    expect(BROKEN_BACKOFF_STEPS_MS).toEqual([...BROKEN_BACKOFF_STEPS_MS].sort((a, b) => a - b));
  });
});
