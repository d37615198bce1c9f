/**
 * Who ends a server and removes its folder when this process ends, however it ends: a shell that
 * reads from a pipe of ours, which the kernel closes with us.
 */
import { spawn } from 'node:child_process';

/**
 * $1 = folder; standard input = the server's pid, then nothing until we are gone. Waiting ends even
 * where nobody reaps a dead server, and without a pid initdb may still be writing for a moment.
 */
const GUARD = `
trap '' INT TERM HUP
read -r server
cat >/dev/null
cd /
turns=0
if [ -n "$server" ]; then kill -QUIT "$server" 2>/dev/null; fi
while [ -n "$server" ] && kill -0 "$server" 2>/dev/null && [ $turns -lt 250 ]; do
  sleep 0.02; turns=$((turns + 1))
done
rm -rf "$1"
while [ -z "$server" ] && [ $turns -lt 30 ]; do
  sleep 0.1; rm -rf "$1"; turns=$((turns + 1))
done
`;

export interface Guard {
  /** Names the server, once it is there. */
  readonly watch: (pid: number | undefined) => void;
  /** Lets the guard do its work and waits until it has. */
  readonly end: () => Promise<void>;
}

/** Begins to guard a folder. Not in our session, so that Ctrl-C at the terminal does not end it first. */
export function startGuard(folder: string): Guard {
  const guard = spawn('/bin/sh', ['-c', GUARD, 'sh', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  return {
    watch: (pid) => void guard.stdin.write(`${pid ?? ''}\n`),
    async end() {
      const ended = new Promise((resolve) => guard.once('exit', resolve));
      guard.ref();
      guard.stdin.end();
      await ended;
    },
  };
}
