/** All rules, each under the sentence that it holds. */
import * as docs from './check-docs.ts';
import * as files from './check-files.ts';
import * as imports from './check-imports.ts';
import type { Tree } from './graph.ts';
import type { Finding } from './rules.ts';

export const CHECKS: Readonly<Record<string, (tree: Tree) => Finding[]>> = {
  'imports only what the table of folders allows': imports.checkFolders,
  'has no process that reaches what it must not need': imports.checkReach,
  'keeps the hot path as small as it was meant to be': imports.checkClosureLines,
  'has no import that leads nowhere': imports.checkResolves,
  'has no files that import each other in a circle': imports.checkCycles,
  'has no dead file': imports.checkDead,
  'has no file that only hands on exports': files.checkBarrels,
  'has no file and no function that is too long': files.checkLengths,
  'uses of its surroundings only what each file may': files.checkUses,
  'puts nothing off by a word': files.checkWords,
  'has no code asleep in a comment': files.checkCommentedCode,
  'has no test that no project runs': files.checkTestNames,
  'has no link that leads nowhere': docs.checkLinks,
  'names no file that is not there, in documents and to readers of code': docs.checkPaths,
  'has a row in docs/boundary.md for all that needs one': docs.checkBoundary,
  'names a test for every invariant of docs/spec.md': docs.checkInvariants,
  'has a lock file that names no place': docs.checkLockFile,
};
