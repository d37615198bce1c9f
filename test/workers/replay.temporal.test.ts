/**
 * Committed histories (dev/temporal/record.ts) against the bundle that runs: a change that would break
 * workflows in flight fails here. Needs no server.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { cp, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import { WORKFLOWS } from '../../model/cold/names.ts';
import { historyOf } from '../temporal/history.ts';
import { ensureBundle, makeBundle } from '../../workers/bundle.ts';

const HISTORIES = join(PACKAGE_ROOT, 'histories');

interface Recorded {
  readonly name: string;
  readonly history: unknown;
}

async function readHistories(): Promise<Recorded[]> {
  const types = await readdir(HISTORIES);
  const files = await Promise.all(
    types.map(async (type) =>
      (await readdir(join(HISTORIES, type))).map((file) => `${type}/${file}`),
    ),
  );
  return Promise.all(
    files.flat().map(async (name) => {
      const text = await readFile(join(HISTORIES, name), 'utf8');
      return { name, history: historyOf(JSON.parse(text)) };
    }),
  );
}

type Bundle = { readonly codePath: string } | { readonly code: string };

/** @returns what each history that does not fit is wrong about. */
async function replay(workflowBundle: Bundle, histories: readonly Recorded[]) {
  const wrong: { readonly name: string; readonly error: Error }[] = [];
  const given = histories.map(({ name, history }) => ({ workflowId: name, history }));
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, given))
    if (error !== undefined) wrong.push({ name: workflowId, error });
  return wrong;
}

/** The compiled workflows with one line of one file changed, bundled in the same way. */
async function bundleChanged(file: string, from: string, to: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotlight-bundle-'));
  try {
    for (const part of ['workflows', 'model'])
      await cp(join(PACKAGE_ROOT, 'dist', part), join(folder, part), { recursive: true });
    await cp(join(PACKAGE_ROOT, 'package.json'), join(folder, 'package.json'));
    await symlink(join(PACKAGE_ROOT, 'node_modules'), join(folder, 'node_modules'));
    const path = join(folder, file);
    const text = await readFile(path, 'utf8');
    if (!text.includes(from)) throw new Error(`${file} does not hold ${from}`);
    await writeFile(path, text.replace(from, to));
    return await makeBundle(join(folder, 'workflows/index.js'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('committed histories', () => {
  let histories: Recorded[];
  beforeAll(async () => {
    const filter = { core: 'ERROR', other: 'ERROR' } as const;
    Runtime.install({
      logger: new DefaultLogger('ERROR'),
      telemetryOptions: { logging: { forward: {}, filter } },
    });
    histories = await readHistories();
  });

  test('each fits the bundle that runs', async () => {
    const wrong = await replay({ codePath: await ensureBundle() }, histories);
    expect(wrong).toEqual([]);
    expect(histories.length).toBeGreaterThan(0);
  });

  test('there are some of every workflow: one that went well, one paused, one aborted, one failed', () => {
    const names = histories.map(({ name }) => name);
    const wanted = Object.keys(WORKFLOWS).flatMap((type) =>
      ['happy', 'paused', 'aborted', 'failed'].map((kind) => `${type}/${kind}.json`),
    );
    expect(wanted.filter((name) => !names.includes(name))).toEqual([]);
  });

  test('with two steps in another order each would have failed', async () => {
    // Every workflow shows its attributes first: now it starts a timer before.
    const code = await bundleChanged(
      'workflows/operator.js',
      'setAttributes({\n        FleetVerb',
      'void condition(() => false, 1_000);\n    setAttributes({\n        FleetVerb',
    );
    const wrong = await replay({ code }, histories);
    const ran = histories.filter(({ name }) => !name.endsWith('/failed.json'));
    expect(wrong.map(({ name }) => name)).toEqual(
      expect.arrayContaining(ran.map(({ name }) => name)),
    );
    expect([...new Set(wrong.map(({ error }) => error.name))]).toEqual([
      'DeterminismViolationError',
    ]);
  });
});
