/**
 * `npm run proof [-- --quick]`: what is promised of starts, shown one part after the other, each by the
 * program that measures it. The last line: `proof: N parts, N held, N broken`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError } from '../../lib/config-error.ts';
import { createLogger } from '../../lib/log.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';

const PROGRAM = { bench: 'main.js', faults: 'faults/main.js', chaos: 'chaos/main.js' } as const;
type Program = keyof typeof PROGRAM;
type Part = readonly [Program, ...string[]];

const QUICK: readonly Part[] = [
  ['bench', 'wake', '--times', '30'],
  ['faults', '--times', '20', '--lines', 'hot Postgres killed,hot Postgres read-only,a host dead'],
  ['chaos', '--minutes', '2', '--seed', '1'],
];
const WHOLE: readonly Part[] = [
  ['bench', 'wake'],
  ['bench', 'isolation'],
  ['faults'],
  ...['10', '11', '12'].map((seed): Part => ['chaos', '--minutes', '10', '--seed', seed]),
];

/** Longer than each takes to stop what it has started. */
const STOP_MS_MAX = 70_000;

/** @throws ConfigError with one sentence. */
function readParts(args: readonly string[]): readonly Part[] {
  try {
    const { values } = parseArgs({ args: [...args], options: { quick: { type: 'boolean' } } });
    return values.quick === true ? QUICK : WHOLE;
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function start([program, ...args]: Part): ChildProcess {
  const path = join(PACKAGE_ROOT, 'dist/bench', PROGRAM[program]);
  const stdio = ['ignore', 'inherit', 'inherit'] as const;
  return spawn(process.execPath, ['--enable-source-maps', path, ...args], { stdio: [...stdio] });
}

runMain('proof', async () => {
  const parts = readParts(process.argv.slice(2));
  const shutdown = installShutdown(createLogger('proof', 'warn'), STOP_MS_MAX);
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  let child: ChildProcess | undefined;
  let isStopping = false;
  shutdown.onStop('part', async () => {
    isStopping = true;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  });
  let broken = 0;
  for (const part of parts) {
    if (isStopping) return;
    say(`proof: ${part.join(' ')}`);
    child = start(part);
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) broken += 1;
  }
  say(`proof: ${parts.length} parts, ${parts.length - broken} held, ${broken} broken`);
  await shutdown.stop('done', broken === 0 ? 0 : 1);
});
