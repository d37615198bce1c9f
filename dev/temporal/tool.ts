/** A command of somebody else that takes long: its own session, killed whole, never in the way. */
import { spawn } from 'node:child_process';
import { onPath } from './binary.ts';

/** Puts a command last in line for CPU and disk, with what this machine has for it. */
export async function atIdle(command: readonly string[]): Promise<readonly string[]> {
  const nice = (await onPath('nice')) === undefined ? [] : ['nice', '-n', '19'];
  const ionice = (await onPath('ionice')) === undefined ? [] : ['ionice', '-c', '3'];
  return [...nice, ...ionice, ...command];
}

export interface ToolOptions {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const TAIL_CHARS = 4_000;
const REASON_CHARS_MAX = 160;

/** Of a long chain of causes the last one says most. */
const shorten = (line: string): string =>
  line.length <= REASON_CHARS_MAX ? line : `…${line.slice(-REASON_CHARS_MAX)}`;

/** @returns undefined if it ended well, else its last words in one line. */
export function runTool(options: ToolOptions): Promise<string | undefined> {
  const [program = '', ...args] = options.command;
  return new Promise((resolve) => {
    let tail = '';
    let because: string | undefined;
    const child = spawn(program, args, {
      env: options.env,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const end = (why: string): void => {
      because = why;
      // The whole group: a compiler that goes on would fill the machine.
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
    };
    const timer = setTimeout(
      () => end(`not done within ${Math.round(options.timeoutMs / 1000)} s`),
      options.timeoutMs,
    );
    const stop = (): void => end('stopped');
    options.signal.addEventListener('abort', stop);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        tail = (tail + chunk.toString()).slice(-TAIL_CHARS);
      });
    const done = (why: string | undefined): void => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', stop);
      resolve(why);
    };
    child.once('error', (error) => done(error.message));
    child.once('close', (code) => {
      const last = shorten(tail.trim().split('\n').at(-1) ?? '');
      done(because ?? (code === 0 ? undefined : last || `exit code ${code}`));
    });
    if (options.signal.aborted) stop();
  });
}
