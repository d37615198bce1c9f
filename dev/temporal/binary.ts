/** A `temporal` program: which server it holds, and whether it may work on a given state file. */
import { execFile } from 'node:child_process';
import { access, constants, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { childEnvironment, systemVariable } from '../../lib/environment.ts';

/** The CLI release that is built or downloaded, and the server in it. */
export const RELEASE = 'v1.5.1';
/** Search attributes, Updates and schedules as we use them: the server of CLI 1.5. */
const SERVER_MIN: readonly [number, number] = [1, 29];
const VERSION_MS_MAX = 10_000;

export interface Binary {
  readonly path: string;
  /** Version of the server in it, such as `1.29.1`. A CLI built from source does not know its own. */
  readonly server: string;
  readonly from: string;
}

export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The first of this name on PATH. */
export async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (systemVariable('PATH') ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && (await isExecutable(path))) return path;
  }
  return undefined;
}

/** @returns the server's version, or undefined if this is no such program. */
function serverVersionOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: VERSION_MS_MAX, env: childEnvironment({}) };
    execFile(path, ['--version'], options, (error, stdout) => {
      resolve(error === null ? /\(Server (\d+\.\d+\.\d+)/.exec(stdout)?.[1] : undefined);
    });
  });
}

export function isNewEnough(server: string): boolean {
  const [major = 0, minor = 0] = server.split('.').map(Number);
  return major > SERVER_MIN[0] || (major === SERVER_MIN[0] && minor >= SERVER_MIN[1]);
}

/** Beside a server's state file: which server made it. Such files are not moved between versions. */
export const madeByFile = (folder: string): string => join(folder, 'made-by.json');
export const stateFile = (folder: string): string => join(folder, 'state.db');

/** @returns the server that made the state file; undefined if there is none yet. */
export async function madeBy(folder: string): Promise<string | undefined> {
  try {
    await access(stateFile(folder));
    const record = JSON.parse(await readFile(madeByFile(folder), 'utf8')) as { server?: unknown };
    return typeof record.server === 'string' ? record.server : undefined;
  } catch {
    return undefined;
  }
}

/** Judges a program. @returns the binary, or in a few words why not. */
export async function judge(
  path: string,
  from: string,
  made: string | undefined,
): Promise<Binary | { readonly why: string }> {
  const server = await serverVersionOf(path);
  if (server === undefined) return { why: `${path} does not tell its version` };
  if (!isNewEnough(server)) return { why: `${path} has server ${server}, too old` };
  if (made !== undefined && made !== server)
    return { why: `${path} has server ${server}, but the state file was made by ${made}` };
  return { path, server, from };
}
