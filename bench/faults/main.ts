/**
 * `npm run faults [-- --times N] [--lines TEXT,…] [--write]`: the table of what may be lost, line by
 * verb. `--write` puts each line into docs/failure-matrix.md as soon as it is measured. The last line:
 * `faults: N cells, N held, N broken`.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createProgress } from '../../dev/print.ts';
import { isRoot } from '../../host/prepare.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { replaceFile } from '../../lib/files.ts';
import { createLogger } from '../../lib/log.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { installShutdown, runMain } from '../../lib/shutdown.ts';
import { wholeNumber } from '../harness.ts';
import { createRandom } from '../random.ts';
import { startArm, type Arm } from './arm.ts';
import { LINES, type Line } from './lines.ts';
import { countCells, matrixText, rowOf, rowsOf, type Rows } from './matrix.ts';
import { measureLine, type Measured, type MeasureOptions } from './measure.ts';

const TIMES = 300;
const STOP_MS_MAX = 30_000;
const SEED = 1;
const PAGE = join(PACKAGE_ROOT, 'docs/failure-matrix.md');

interface Arguments {
  readonly times: number;
  readonly lines: readonly Line[];
  readonly write: boolean;
}

/** @throws ConfigError with one sentence. */
function readArguments(args: readonly string[]): Arguments {
  const options = {
    times: { type: 'string' },
    lines: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
  } as const;
  let values;
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  const wanted = values.lines.split(',');
  const lines = LINES.filter(({ name }) => wanted.some((text) => name.includes(text)));
  if (lines.length === 0)
    throw new ConfigError(`--lines: part of ${LINES.map(({ name }) => name).join(', ')}`);
  return { times: wholeNumber('--times', values.times) ?? TIMES, lines, write: values.write };
}

const isBroken = (one: Measured): boolean => countCells([one]).broken > 0;

/** What broke its word twice is broken: of each cell the better of two goes. */
function better(first: Measured, second: Measured): Measured {
  const cells = Object.fromEntries(
    Object.entries(second.cells).map(([verb, cell]) => {
      const before = first.cells[verb as keyof typeof first.cells];
      return [verb, before.held ? before : cell];
    }),
  ) as unknown as Measured['cells'];
  const fewer = (a: readonly string[], b: readonly string[]) => (a.length === 0 ? a : b);
  return {
    line: first.line,
    cells,
    early: fewer(first.early, second.early),
    afterwards: [...first.afterwards, ...second.afterwards],
  };
}

interface RunOptions extends MeasureOptions {
  readonly namespaces: boolean;
  /** Gets each line as soon as it is measured. */
  readonly keep: (measured: Measured) => Promise<void>;
}

async function measureBeside(
  lines: readonly Line[],
  ownDisk: boolean,
  options: RunOptions,
): Promise<readonly Measured[]> {
  const arms: Arm[] = [];
  const start = async (): Promise<Arm> => {
    const arm = await startArm({ ...options, ownDisk });
    arms.push(arm);
    return arm;
  };
  try {
    options.say('starting two stacks');
    const both = { here: await start(), beside: await start() };
    const all: Measured[] = [];
    for (const line of lines) {
      options.say(line.name);
      let measured = await measureLine(line, both, options);
      if (isBroken(measured)) {
        options.say(`${line.name}, once more`);
        measured = better(measured, await measureLine(line, both, options));
      }
      all.push(measured);
      await options.keep(measured);
    }
    return all;
  } finally {
    await Promise.all(arms.map((arm) => arm.stop()));
  }
}

async function run(lines: readonly Line[], options: RunOptions): Promise<readonly Measured[]> {
  const all: Measured[] = [];
  for (const ownDisk of [false, true]) {
    const those = lines.filter((line) => (line.ownDisk ?? false) === ownDisk);
    if (ownDisk && those.length > 0 && !options.namespaces)
      options.say(`not root: left out ${those.map(({ name }) => name).join(', ')}`);
    else if (those.length > 0) all.push(...(await measureBeside(those, ownDisk, options)));
  }
  return all;
}

runMain('faults', async () => {
  const { times, lines, write: doesWrite } = readArguments(process.argv.slice(2));
  const aborter = new AbortController();
  const shutdown = installShutdown(createLogger('faults', 'warn'), STOP_MS_MAX);
  const write = (text: string): void => void process.stdout.write(text);
  const { say } = createProgress(write, () => performance.now());
  const namespaces = isRoot();
  if (!namespaces) say('not root: hosts share the PID namespace');
  const random = createRandom(SEED);
  const facts = { takenAt: new Date().toISOString().slice(0, 10), times, namespaces };
  const order = LINES.map(({ name }) => name);
  const fresh = new Map<string, readonly string[]>();
  async function keep(measured: Measured): Promise<void> {
    fresh.set(measured.line, rowOf(measured, facts));
    if (!doesWrite) return;
    const rows: Rows = new Map([...rowsOf(await readFile(PAGE, 'utf8')), ...fresh]);
    await replaceFile(PAGE, matrixText(rows, order), 0o644);
  }
  const signal = aborter.signal;
  const running = run(lines, { times, random, say, signal, namespaces, keep });
  shutdown.onStop('faults', async () => {
    aborter.abort();
    await running.catch(() => undefined);
  });
  const all = await running;
  write(`${matrixText(fresh, order)}\n`);
  const { cells, broken } = countCells(all);
  write(`faults: ${cells} cells, ${cells - broken} held, ${broken} broken\n`);
  await shutdown.stop('done', broken === 0 ? 0 : 1);
});
