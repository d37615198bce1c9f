/** Ends what a test has started and removes its folder, however jest ends: it holds a pipe from jest. */
import { spawn, type ChildProcess } from 'node:child_process';

/** $1 = folder; standard input = a pid a line, then nothing until jest is gone. */
const GUARD = `
trap '' INT TERM HUP
pids=
while read -r pid; do pids="$pids $pid"; done
cd /
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
sleep 0.2
rm -rf "$1"
`;

export interface Guard {
  readonly add: (child: ChildProcess) => void;
  /** Ends everything now. */
  readonly end: () => Promise<void>;
}

export function startGuard(folder: string): Guard {
  const guard = spawn('/bin/sh', ['-c', GUARD, 'sh', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = new Promise<void>((resolve) => guard.once('exit', () => resolve()));
  guard.unref();
  return {
    add: (child) => void guard.stdin?.write(`${child.pid ?? ''}\n`),
    async end() {
      guard.ref();
      guard.stdin?.end();
      await ended;
    },
  };
}
