/** Making a Temporal server where none was found: the SDK's own download, else a build with Go. */
import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadEnvironment } from '../../lib/environment.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { RELEASE, onPath } from './binary.ts';
import { addToCache, cacheFolder, executableIn, withDraft } from './cache.ts';
import { atIdle, runTool } from './tool.ts';

/** 100 MB; where the server of downloads is not to be had, that is known within seconds. */
const DOWNLOAD_MS_MAX = 90_000;
/** About 3 minutes on two idle cores, at idle priority longer. */
const BUILD_MS_MAX = 30 * 60_000;
const MODULE = `github.com/temporalio/cli/cmd/temporal@${RELEASE}`;
/** What a build writes: sources 1.8 GB, objects 1.4 GB, the program. Removed when it is done. */
const BUILD_BYTES = 4 * 1024 ** 3;
const PROGRESS_MS = 30_000;

export interface MakeOptions {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  /** Marks what is started, so that a later start finds and ends what was left of it. */
  readonly marks: Readonly<Record<string, string>>;
}

export type Made = { readonly path: string } | { readonly why: string };

export function download(options: MakeOptions): Promise<Made> {
  return withDraft('download', async (folder) => {
    const script = join(PACKAGE_ROOT, 'dev/temporal-download.mjs');
    const why = await runTool({
      command: await atIdle([process.execPath, script, folder, RELEASE]),
      env: downloadEnvironment(options.marks),
      timeoutMs: DOWNLOAD_MS_MAX,
      signal: options.signal,
    });
    const path = await executableIn(folder);
    if (path !== undefined && why === undefined) return { path: await addToCache(path) };
    return { why: `no download (${why ?? 'it left no program'})` };
  });
}

async function hasRoom(): Promise<boolean> {
  const { bavail, bsize } = await statfs(cacheFolder());
  return bavail * bsize >= BUILD_BYTES;
}

/** Says every half minute that it still goes on. */
async function withProgress<T>(say: (line: string) => void, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const elapsed = (): number => Math.round((performance.now() - began) / 1000);
  const timer = setInterval(() => say(`building the Temporal server: ${elapsed()} s`), PROGRESS_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Builds it with Go's own tool. What a build that was stopped has done is kept for the next. */
export async function build(options: MakeOptions): Promise<Made> {
  const go = await onPath('go');
  if (go === undefined) return { why: 'no Go to build it with' };
  if (!(await hasRoom())) return { why: `less than 4 GB are free in ${cacheFolder()}` };
  options.say('building the Temporal server with Go, once, at idle priority: some minutes');
  const work = join(cacheFolder(), 'go');
  return withDraft('build', async (folder) => {
    const command = await atIdle([
      go,
      'install',
      '-trimpath',
      '-modcacherw',
      '-buildvcs=false',
      '-ldflags=-s -w',
      MODULE,
    ]);
    const env = downloadEnvironment({
      ...options.marks,
      GOBIN: folder,
      GOMODCACHE: join(work, 'mod'),
      GOCACHE: join(work, 'objects'),
      GOFLAGS: '',
      CGO_ENABLED: '0',
    });
    const { say, signal } = options;
    const why = await withProgress(say, () =>
      runTool({ command, env, timeoutMs: BUILD_MS_MAX, signal }),
    );
    if (why !== undefined) return { why: `the build with Go failed (${why})` };
    const path = await addToCache(join(folder, 'temporal'));
    await rm(work, { recursive: true, force: true });
    return { path };
  });
}
