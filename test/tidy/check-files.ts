/** Rules about a file by itself: lengths, words, what it uses, how tests are named. */
import type { Tree } from './graph.ts';
import { FILE_LINES_MAX, FUNCTION_LINES_MAX, USES, type Finding } from './rules.ts';
import type { Source } from './source.ts';

const each = (tree: Tree, check: (source: Source) => Finding[]): Finding[] =>
  [...tree.sources.values()].flatMap(check);

export const checkLengths = (tree: Tree): Finding[] =>
  each(tree, ({ path, lines, functions }) => [
    ...(lines > FILE_LINES_MAX
      ? [{ rule: 'length', path, text: `${lines} lines, at most ${FILE_LINES_MAX}` }]
      : []),
    ...functions
      .filter((f) => f.lines > FUNCTION_LINES_MAX)
      .map((f) => ({
        rule: 'length',
        path: `${path}:${f.line}`,
        text: `${f.name} has ${f.lines} lines, at most ${FUNCTION_LINES_MAX}`,
      })),
  ]);

/** What a file may use of its surroundings. */
export const checkUses = (tree: Tree): Finding[] =>
  each(tree, (source) => {
    const imports = source.imports.map((i) => ({ text: `import ${i.specifier}`, line: i.line }));
    return USES.filter((r) => r.within.test(source.path) && !r.except?.test(source.path)).flatMap(
      (rule) =>
        [...source.uses, ...imports]
          .filter((use) => rule.use.test(use.text))
          .map((use) => ({
            rule: 'use',
            path: `${source.path}:${use.line}`,
            text: `${use.text}: ${rule.why}`,
          })),
    );
  });

/** In halves, so that this file does not hold them. */
const WORDS = new RegExp(
  `\\b(${['TO-DO', 'FIX-ME', 'XX-X', 'HA-CK'].join('|').replaceAll('-', '')})\\b`,
);

/** Words that put something off: it is done, or it is an issue. */
export function checkWords(tree: Tree): Finding[] {
  return [...tree.texts]
    .filter(([path]) => /\.([cm]?[jt]s|sql)$/.test(path))
    .flatMap(([path, text]) =>
      text.split('\n').flatMap((line, i) => {
        const word = WORDS.exec(line)?.[0];
        return word === undefined
          ? []
          : [{ rule: 'words', path: `${path}:${i + 1}`, text: `says ${word}` }];
      }),
    );
}

/** A line that ends as statements do, and begins or is built as they are. */
const CODE =
  /^(import|export|const|let|var|return|await|if|else|for|while|throw|function)\b.*[;{(]$|^[\w.]+\(.*\);$|^[\w.]+ = .*;$|^\}( else \{|\);|;)?$/;

export const checkCommentedCode = (tree: Tree): Finding[] =>
  each(tree, ({ path, comments }) =>
    comments
      .filter((comment) => CODE.test(comment.text))
      .map((comment) => ({
        rule: 'commented-code',
        path: `${path}:${comment.line}`,
        text: comment.text,
      })),
  );

/** Temporal wants one file that exports all workflows. */
const BUNDLED = 'workflows/index.ts';

/** One more name for something hides where it comes from, and cycles with it. */
export const checkBarrels = (tree: Tree): Finding[] =>
  each(tree, ({ path, barrel }) =>
    barrel && path !== BUNDLED
      ? [{ rule: 'barrel', path, text: 'only hands on what other files export' }]
      : [],
  );

/** A test that no project of jest picks up would never run. */
export function checkTestNames(tree: Tree): Finding[] {
  return [...tree.sources.keys()]
    .filter((path) => /[.-](test|spec)\.[cm]?[jt]sx?$/.test(path))
    .filter((path) => !/^test\/.*\.(unit|db|stack|temporal)\.test\.ts$/.test(path))
    .map((path) => ({
      rule: 'test-name',
      path,
      text: 'is run by no project: test/<folder>/<name>.{unit,db,stack,temporal}.test.ts',
    }));
}
