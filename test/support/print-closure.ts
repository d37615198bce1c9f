/** Prints what a main loads as JSON, for the bench of the footprint: own lines of code, and packages. */
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { closureOf, isNodeModule } from '../tidy/graph.ts';
import { readTree } from '../tidy/read-tree.ts';

const tree = readTree(PACKAGE_ROOT);
const loaded = [...closureOf(tree, process.argv[2] ?? '').keys()];
const ours = loaded.flatMap((path) => tree.sources.get(path) ?? []);
const packages = loaded.filter((path) => !tree.sources.has(path) && !isNodeModule(path));
const lines = ours.reduce((sum, { codeLines }) => sum + codeLines, 0);
process.stdout.write(JSON.stringify({ lines, packages: packages.length }));
