/**
 * `npm run mutants`: takes one guard after another out of a copy of the sources and runs the test that
 * is to notice. First that test has to pass as things are; then it has to fail.
 */
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { createLogger } from '../../lib/log.ts';
import { lineOf } from '../harness.ts';
import { createCopy, type Copy } from './copy.ts';
import { FRONT_DOOR } from './front-door.ts';
import { MUTANTS, type Mutant } from './list.ts';

type Say = (line: string) => void;

/** Those whose name contains one of the words; all without any. */
function chosen(words: readonly string[]): readonly Mutant[] {
  const found = [...MUTANTS, ...FRONT_DOOR].filter(
    ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
  );
  if (found.length === 0) throw new ConfigError('no mutant has that in its name');
  return found;
}

/** @returns whether the test that is to notice did. */
async function isCaught(
  copy: Copy,
  mutant: Mutant,
  passes: Set<string>,
  say: Say,
): Promise<boolean> {
  const shownBy = mutant.shownBy.join(': ');
  if (!passes.has(shownBy)) {
    const { passed, failed } = await copy.test(mutant.shownBy);
    if (failed > 0 || passed === 0)
      throw new ConfigError(`${mutant.shownBy[0]} does not pass without any mutant`);
    passes.add(shownBy);
  }
  await copy.edit(mutant);
  const after = await copy.test(mutant.shownBy);
  await copy.restore(mutant);
  const caught = after.failed > 0;
  say(`${caught ? 'caught  ' : 'SURVIVED'} ${mutant.name} (${mutant.shownBy[0]})`);
  return caught;
}

runMain('mutants', async () => {
  const mutants = chosen(process.argv.slice(2));
  const shutdown = installShutdown(createLogger('mutants', 'warn'));
  const copy = await createCopy();
  shutdown.onStop('the copy', copy.remove);
  const say: Say = (line) => void process.stdout.write(`${line}\n`);
  const passes = new Set<string>();
  let caught = 0;
  try {
    for (const mutant of mutants) if (await isCaught(copy, mutant, passes, say)) caught += 1;
  } finally {
    await copy.remove();
  }
  const survived = mutants.length - caught;
  say(lineOf('mutants', { caught, survived, n: mutants.length }));
  await shutdown.stop('done', survived === 0 ? 0 : 1);
});
