/** A copy of the sources in which guards can be taken out; packages are those of the original. */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ConfigError } from '../../lib/config-error.ts';
import { isMissing } from '../../lib/errno.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import type { Mutant } from './list.ts';

/** How many tests did what. A file that can not be run counts as none. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

export interface Copy {
  readonly edit: (mutant: Mutant) => Promise<void>;
  /** Puts the file back as it is in the original. */
  readonly restore: (mutant: Mutant) => Promise<void>;
  /** Compiles what has changed, and runs the tests of a file whose names contain the text. */
  readonly test: (shownBy: Mutant['shownBy']) => Promise<Outcome>;
  /** Ends what runs in it, and removes it. */
  readonly remove: () => Promise<void>;
}

const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', '.git', '.pilotlight']);
const JEST = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'];
const BOOTSTRAP = ['dev/bootstrap.mjs'];

/** @throws ConfigError if the file does not have what the mutant replaces. */
export function mutate(text: string, { name, edits }: Mutant): string {
  return edits.reduce((changed, [found, put]) => {
    if (!changed.includes(found)) throw new ConfigError(`nothing to be replaced: ${name}`);
    return changed.replace(found, () => put);
  }, text);
}

async function readOutcome(file: string): Promise<Outcome> {
  try {
    const report = JSON.parse(await readFile(file, 'utf8')) as Record<string, number>;
    return { passed: report['numPassedTests'] ?? 0, failed: report['numFailedTests'] ?? 0 };
  } catch (error) {
    if (isMissing(error)) return { passed: 0, failed: 0 };
    throw error;
  }
}

export async function createCopy(): Promise<Copy> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotlight-mutants-'));
  const filter = (path: string): boolean => !LEFT_OUT.has(relative(PACKAGE_ROOT, path));
  await cp(PACKAGE_ROOT, folder, { recursive: true, filter, preserveTimestamps: true });
  await symlink(join(PACKAGE_ROOT, 'node_modules'), join(folder, 'node_modules'));
  let endRunning = async (): Promise<void> => undefined;

  async function run(args: readonly string[]): Promise<void> {
    // A group of its own, so that nothing of it outlives this process.
    const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore', detached: true });
    const ended = new Promise<void>((resolve, reject) => {
      child.once('exit', () => resolve());
      child.once('error', reject);
    });
    endRunning = async () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
      await ended;
    };
    await ended;
    endRunning = async () => undefined;
  }

  let removed: Promise<void> | undefined;
  async function remove(): Promise<void> {
    await endRunning();
    await rm(folder, { recursive: true, force: true });
  }

  return {
    async edit(mutant) {
      const text = await readFile(join(PACKAGE_ROOT, mutant.file), 'utf8');
      await writeFile(join(folder, mutant.file), mutate(text, mutant));
    },
    restore: ({ file }) => cp(join(PACKAGE_ROOT, file), join(folder, file)),
    async test([file, name]) {
      const report = join(folder, 'report.json');
      await rm(report, { force: true });
      await run(BOOTSTRAP);
      const only = name === '' ? [] : ['--testNamePattern', name];
      await run([...JEST, file, ...only, '--json', `--outputFile=${report}`]);
      return readOutcome(report);
    },
    remove: () => (removed ??= remove()),
  };
}
