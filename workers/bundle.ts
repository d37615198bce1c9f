/**
 * The workflows as one file, made ahead: what runs is what the replay tests replay. It is made from
 * the compiled sources and made again when they, or the SDK, have changed.
 */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { access, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { bundleWorkflowCode, type Logger as SdkLogger } from '@temporalio/worker';
import { isMissing } from '../lib/errno.ts';
import { PACKAGE_ROOT } from '../lib/root.ts';

const DIST = join(PACKAGE_ROOT, 'dist');
export const BUNDLE = join(DIST, 'workflow-bundle.js');
const MADE_FROM = `${BUNDLE}.made-from`;
/** All that a workflow may import of ours. */
const FOLDERS = ['workflows', 'model'];

async function sourcesHash(): Promise<string> {
  const hash = createHash('sha256');
  const { version } = createRequire(import.meta.url)('@temporalio/worker/package.json') as {
    version: string;
  };
  hash.update(version);
  for (const folder of FOLDERS) {
    const entries = await readdir(join(DIST, folder), { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
      .sort();
    for (const file of files) hash.update(relative(DIST, file)).update(await readFile(file));
  }
  return hash.digest('hex');
}

async function madeFrom(): Promise<string> {
  try {
    // A build clears away what it has not made: the note alone says nothing.
    await access(BUNDLE);
    return (await readFile(MADE_FROM, 'utf8')).trim();
  } catch (error) {
    if (isMissing(error)) return '';
    throw error;
  }
}

/** Keeps what the bundler complains of; the rest of its talk is about speed. */
function createBundleLogger(complaints: string[]): SdkLogger {
  const drop = (): void => undefined;
  const keep = (message: string): void => void complaints.push(message);
  return { log: drop, trace: drop, debug: drop, info: drop, warn: keep, error: keep };
}

/** Bundles the workflows of a folder. @throws Error with what the bundler complains of. */
export async function makeBundle(workflowsPath: string): Promise<string> {
  const complaints: string[] = [];
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    logger: createBundleLogger(complaints),
  }).catch((error: unknown) => {
    throw new Error(`the workflows can not be bundled: ${complaints.join('\n')}`, { cause: error });
  });
  if (complaints.length > 0) throw new Error(`the bundle is not clean: ${complaints.join('\n')}`);
  return code;
}

/**
 * Makes dist/workflow-bundle.js unless it is there and up to date. Whole or not at all, so that
 * several processes may do it at once. @returns its path.
 */
export async function ensureBundle(): Promise<string> {
  const hash = await sourcesHash();
  if ((await madeFrom()) === hash) return BUNDLE;
  const code = await makeBundle(join(DIST, 'workflows/index.js'));
  const draft = `${BUNDLE}.${process.pid}.draft`;
  try {
    await writeFile(draft, code);
    await rename(draft, BUNDLE);
    await writeFile(draft, hash);
    await rename(draft, MADE_FROM);
  } finally {
    await rm(draft, { force: true });
  }
  return BUNDLE;
}
