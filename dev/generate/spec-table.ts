/** Writes the table of docs/spec.md, states × inputs, from the state machine. */
import { STATES } from '../../model/state.ts';
import { INPUTS, UNDATED, transition, type Cell, type Input } from '../../model/transitions.ts';
import { markdownTable, replaceBetween } from './document.ts';

const NOTHING = '–';
const EPOCH = { kept: '', raised: ', epoch + 1', reported: ', as reported' } as const;

function textOf(cell: Cell): string {
  if ('next' in cell) return `${cell.next}${EPOCH[cell.epoch]}`;
  return cell.stay === 'no-op' ? NOTHING : `_${cell.stay}_`;
}

const table = (current: boolean, inputs: readonly Input[]): string =>
  markdownTable(
    ['input', ...STATES.map((state) => `\`${state}\``)],
    inputs.map((input) => [
      `\`${input}\``,
      ...STATES.map((state) => textOf(transition(state, input, current))),
    ]),
  );

const hasEffect = (input: Input): boolean =>
  STATES.some((state) => textOf(transition(state, input, false)) !== NOTHING);
const dated = INPUTS.filter((input) => !UNDATED.includes(input));
const idle = dated.filter((input) => !hasEffect(input)).map((input) => `\`${input}\``);

replaceBetween('docs/spec.md', 'current', table(true, INPUTS));
replaceBetween(
  'docs/spec.md',
  'late',
  `${table(false, dated.filter(hasEffect))}\n\nNothing at all: ${idle.join(', ')}.`,
);
