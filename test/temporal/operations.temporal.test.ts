/**
 * docs/operations.md, command by command, as it is written, beside a running `npm start`. The folder
 * from which they are run is one with links to the repository's, so that `.pilotlight` is the test's.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRunner, type Runner } from '../../bench/kills/runner.ts';
import { clearVanished, homePaths } from '../../dev/home.ts';
import { BIND } from '../../dev/plan.ts';
import { findPortBase } from '../../dev/ports.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { WORKFLOWS } from '../../model/cold/names.ts';
import { describeTemporal, TEMPORAL } from './binary.ts';
import { until } from './server.ts';

const COMMANDS_MS_MAX = 400_000;
const FENCE = /^```sh\n([\s\S]*?)^```/gm;

const blocksOf = (text: string): string[] =>
  [...text.matchAll(FENCE)].map(([, block]) => block ?? '');

interface Ran {
  readonly code: number | null;
  /** Of the last command that was begun, with what it said. */
  readonly said: string;
}

/** One shell for all, since later ones use what earlier ones set. -x says which one is at work. */
function run(script: string, cwd: string): Promise<Ran> {
  const child = spawn('bash', ['-e', '-x', '-o', 'pipefail', '-c', script], {
    cwd,
    env: childEnvironment({}),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, said }));
  });
}

describeTemporal('docs/operations.md', () => {
  let folder: string;
  let home: string;
  let runner: Runner;
  let text: string;

  beforeAll(async () => {
    text = await readFile(join(PACKAGE_ROOT, 'docs/operations.md'), 'utf8');
    folder = await realpath(await mkdtemp(join(tmpdir(), 'pilotlight-operations-')));
    home = join(folder, '.pilotlight');
    for (const name of ['dist', 'node_modules', 'dev', 'package.json'])
      await symlink(join(PACKAGE_ROOT, name), join(folder, name));
    await writeFile(join(folder, '.npmrc'), 'update-notifier=false\n');
    runner = createRunner({
      home,
      logFile: join(folder, 'runner.log'),
      settings: {
        PILOTLIGHT_PORT_BASE: String(await findPortBase(2, BIND)),
        PILOTLIGHT_TEMPORAL: 'auto',
        PILOTLIGHT_TEMPORAL_PROGRAM: TEMPORAL,
      },
    });
    await runner.start();
    await until(async () => (await runner.endpoints())?.management !== null, 90_000);
  }, 150_000);

  afterAll(async () => {
    await runner.stop();
    await rm(folder, { recursive: true, force: true });
    await clearVanished(homePaths(home));
  });

  test.each(Object.keys(WORKFLOWS))(
    '%s has commands to start, watch, pause, resume, abort',
    (type) => {
      const [, section = ''] = text.split(`\n## ${type}\n`);
      const commands = blocksOf(section.split('\n## ')[0] ?? '').join('');
      expect(commands).toContain(`--type ${type}`);
      for (const word of ['--type progress', 'pause', 'resume', 'abort'])
        expect(commands).toContain(word);
    },
  );

  test('the commands of the README are among them', async () => {
    const readme = await readFile(join(PACKAGE_ROOT, 'README.md'), 'utf8');
    const [, section = ''] = readme.split('\n## Management\n');
    const commands = blocksOf(section.split('\n## ')[0] ?? '').flatMap((block) =>
      block.trim().split('\n'),
    );
    expect(commands.length).toBeGreaterThanOrEqual(3);
    const known = blocksOf(text).flatMap((block) => block.trim().split('\n'));
    for (const command of commands) expect(known).toContain(command);
  });

  test(
    'every command does its work',
    async () => {
      const ran = await run(blocksOf(text).join('\n'), folder);
      expect(ran).toMatchObject({ code: 0 });
    },
    COMMANDS_MS_MAX,
  );
});
