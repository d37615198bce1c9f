import { expect, it } from '@jest/globals';
import type { Cell } from '../../../bench/faults/judge.ts';
import { countCells, matrixText, rowOf, rowsOf } from '../../../bench/faults/matrix.ts';
import type { Measured } from '../../../bench/faults/measure.ts';
import { VERBS } from '../../../bench/faults/verbs.ts';

const facts = { takenAt: '2026-12-01', times: 300, namespaces: true };
const cell: Cell = { word: 'same', held: true, ratio: 1.02, ratioLow: 0.9, failed: 0, n: 300 };

function measured(line: string, connect: Partial<Cell> = {}): Measured {
  const cells = Object.fromEntries(VERBS.map((verb) => [verb, cell])) as Measured['cells'];
  return { line, cells: { ...cells, connect: { ...cell, ...connect } }, early: [], afterwards: [] };
}

it('a page is read as it was written, also when its table has been formatted', () => {
  const rows = new Map(['a', 'b'].map((name) => [name, rowOf(measured(name), facts)]));
  const page = matrixText(rows, ['b', 'a']);
  expect(page.indexOf('| b |')).toBeLessThan(page.indexOf('| a |'));
  expect(rowsOf(page)).toEqual(rows);
  expect(rowsOf(page.replaceAll(' | ', '   |  '))).toEqual(rows);
});

it('a line that is not measured again stays as it was, one that is replaces it', () => {
  const first = new Map(['a', 'b'].map((name) => [name, rowOf(measured(name), facts)]));
  const again = { ...facts, takenAt: '2026-12-02' };
  const page = matrixText(
    new Map([...rowsOf(matrixText(first, ['a', 'b'])), ['b', rowOf(measured('b'), again)]]),
    ['a', 'b'],
  );
  expect(rowsOf(page).get('a')?.at(-1)).toBe('2026-12-01, 300 rounds');
  expect(rowsOf(page).get('b')?.at(-1)).toBe('2026-12-02, 300 rounds');
});

it('a line that is there no more, and a page of other columns, are forgotten', () => {
  const rows = new Map(['a', 'b'].map((name) => [name, rowOf(measured(name), facts)]));
  expect([...rowsOf(matrixText(rows, ['a'])).keys()]).toEqual(['a']);
  expect(rowsOf('| lost | connect |\n| --- | --- |\n| a | same |\n')).toEqual(new Map());
  expect(rowsOf('')).toEqual(new Map());
});

it('what is broken is said with its reason, and no reason breaks the table', () => {
  const broken = measured('a', { held: false, why: 'one failed: a | b' });
  const row = rowOf({ ...broken, early: ['wake: x'] }, { ...facts, namespaces: false });
  expect(row[1]).toBe('same 1.02 **broken**: one failed: a / b');
  expect(row.at(-3)).toBe('**1 failed**: wake: x');
  expect(row.at(-1)).toBe('2026-12-01, 300 rounds, not as root');
  expect(countCells([{ ...broken, early: ['wake: x'] }])).toEqual({
    cells: VERBS.length + 2,
    broken: 2,
  });
});
