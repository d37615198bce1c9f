/** The news of an end may come late: it is not to write into a home that is being removed. */
import { afterAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Plan } from '../../dev/commands.ts';
import { createRunning } from '../../dev/running.ts';

let folder = '';
afterAll(() => rm(folder, { recursive: true, force: true }));

test('what ends is recorded, until the records are closed', async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-test-'));
  const records = join(folder, 'processes.json');
  const home = { file: (name: string): string => join(folder, name) };
  const secrets = { agent_token_operator: '', api_token_operator: '' };
  const plan = { home, secrets } as unknown as Plan;
  const options = { home: folder, portBase: 0, say: (): void => undefined };
  const running = createRunning(plan, options, () => undefined);
  const sleeper = () => spawn('sleep', ['600'], { stdio: 'ignore' });
  await running.supervisor.start({ name: 'sleeper', logFile: '', spec: '', spawn: sleeper });
  expect(existsSync(records)).toBe(true);

  running.closeRecords();
  await rm(records);
  await running.supervisor.stop('sleeper', 'SIGKILL', 0);
  while (running.supervisor.find('sleeper') !== undefined)
    await new Promise((resolve) => setTimeout(resolve, 10));
  expect(existsSync(records)).toBe(false);
  for (const cleanup of running.cleanups) cleanup();
  running.agents.close();
  running.api.close();
});
