/** The list of mutants is kept true by this; whether each is caught says `npm run mutants`. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { mutate } from '../../bench/mutants/copy.ts';
import { FRONT_DOOR } from '../../bench/mutants/front-door.ts';
import { MUTANTS } from '../../bench/mutants/list.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';

const read = (file: string): string => readFileSync(join(PACKAGE_ROOT, file), 'utf8');

const ALL = [...MUTANTS, ...FRONT_DOOR];

describe.each(ALL.map((mutant) => [mutant.name, mutant] as const))('%s', (_, mutant) => {
  it('changes its file, and names a test that there is', () => {
    const text = read(mutant.file);
    expect(mutate(text, mutant)).not.toBe(text);
    const [file, test] = mutant.shownBy;
    expect(read(file)).toContain(test);
  });

  it('changes what holds today, and not what a later migration has replaced', () => {
    const dialect = /^db\/(hot|cold)\/migrations\//.exec(mutant.file);
    const today = read(dialect === null ? mutant.file : `db/${dialect[1]}/schema.sql`);
    for (const [found] of mutant.edits) expect(today).toContain(found);
    if (dialect === null) return;
    const folder = dirname(mutant.file);
    for (const name of readdirSync(join(PACKAGE_ROOT, folder)))
      if (name > basename(mutant.file))
        for (const [found] of mutant.edits) expect(read(join(folder, name))).not.toContain(found);
  });
});

it('a mutant whose text has gone is refused by its name', () => {
  const [mutant] = MUTANTS;
  if (mutant === undefined) throw new Error('BUG: no mutants');
  expect(() => mutate('', mutant)).toThrow(ConfigError);
});
