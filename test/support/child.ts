/** Programs of a test in a process of their own: for what ends a process, or writes to its streams. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PACKAGE_ROOT } from '../../lib/root.ts';

const HOOKS = pathToFileURL(join(PACKAGE_ROOT, 'test/support/typescript-hooks.mjs')).href;
const REGISTER = `data:text/javascript,import { register } from 'node:module'; register('${HOOKS}');`;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Child {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Waits until standard output holds this text. @throws if the child ends without it. */
  readonly says: (text: string) => Promise<void>;
}

/** Starts a module written in JavaScript that may import our `.ts` files as `./lib/x.ts`. */
export function startChild(script: string): Child {
  const args = ['--import', REGISTER, '--input-type=module', '--eval', script];
  const child = spawn(process.execPath, args, { cwd: PACKAGE_ROOT, stdio: 'pipe', env: {} });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, ...said }));
  });
  const says = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (said.stdout.includes(text)) resolve();
      };
      child.stdout.on('data', look);
      look();
      void ended.then(() => reject(new Error(`ended without "${text}": ${said.stderr}`)));
    });
  return { process: child, ended, says };
}
