/**
 * Every service of docker-compose.yml that is ours, started by its own command in one go as `docker
 * compose up` would, without a container: all become healthy, and the fleet they make works.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { connect } from '../../db/client.ts';
import { serverArguments } from '../../dev/temporal/server.ts';
import { childEnvironment } from '../../lib/environment.ts';
import { freePort } from '../../lib/free-port.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { CreateAnswer, DatabaseAnswer } from '../../model/wire.ts';
import { until } from '../support/host.ts';
import { findTestBinary, isRequired } from '../temporal/find.ts';
import { isOneShot, isOurs } from './compose-file.ts';
import { createLocalStack, type LocalService, type LocalStack } from './local.ts';

jest.setTimeout(180_000);

const HEALTHY_MS_MAX = 90_000;
const binary = await findTestBinary();
const withTemporal = 'path' in binary || isRequired() ? test : test.skip;

describe('docker-compose.yml', () => {
  let stack: LocalStack;
  const running = new Map<string, LocalService>();
  const names = (): string[] => [...running.keys()];

  /** @throws with its own words if it ends instead. */
  async function untilHealthy(name: string): Promise<void> {
    const service = running.get(name);
    if (service === undefined) throw new Error(`${name} was not started`);
    const gone = service.ended.then(({ said }) => {
      throw new Error(`${name} has ended: ${said}`);
    });
    // At the end of the test all of them do.
    gone.catch(() => undefined);
    await Promise.race([until(name, () => stack.isHealthy(name), HEALTHY_MS_MAX), gone]);
  }

  beforeAll(async () => {
    stack = await createLocalStack();
    const ours = Object.entries(stack.compose.services).filter(([, one]) => isOurs(one));
    // Nothing waits for anything: the hot path is there before its Postgres is.
    for (const [name, one] of ours)
      if (!isOneShot(one) && !/^worker-|console/.test(name)) running.set(name, stack.start(name));
    await Promise.all([stack.startControl('hot'), stack.startControl('cold')]);
  });

  afterAll(async () => {
    const agents = createJsonClient(stack.secrets['agent_token_operator'] ?? '');
    for (const name of names().filter((one) => one.startsWith('host-')))
      await agents
        .call(`http://127.0.0.1:${stack.port(name, '7411')}/v1/shutdown`, {
          body: { grace_ms: 3_000 },
          timeoutMs: 10_000,
        })
        .catch(() => undefined);
    agents.close();
    for (const { process: child } of running.values()) child.kill('SIGTERM');
    await Promise.all([...running.values()].map(({ ended }) => ended));
    await stack.guard.end();
  });

  test('the migrations do their work and end', async () => {
    for (const name of ['hot-migrate', 'cold-migrate', 'hot-migrate'])
      expect(await stack.start(name).ended).toEqual({ code: 0, said: '' });
  });

  test('the services of the hot path become healthy by their own checks', async () => {
    for (const name of names()) await untilHealthy(name);
  });

  test('a database made by one api is reached through both proxies', async () => {
    const api = createJsonClient(stack.secrets['api_token_operator'] ?? '');
    const urlOf = (name: string): string => `http://127.0.0.1:${stack.port(name, '7401')}`;
    const made = await until(
      'a create',
      () =>
        api
          .call<CreateAnswer>(`${urlOf('api-1')}/v1/databases`, {
            body: { tenant: 'compose', size: 'small', idle_ms: 600_000 },
            timeoutMs: 20_000,
          })
          .catch(() => undefined),
      60_000,
    );
    expect(new URL(made.connection_string).port).toBe(String(stack.port('proxy-1', '7400')));
    for (const proxy of ['proxy-1', 'proxy-2']) {
      const url = new URL(made.connection_string);
      url.port = String(stack.port(proxy, '7400'));
      const client = await connect(url.href, { onError: () => undefined });
      expect((await client.query('select 41 + 1')).rows).toEqual([[42]]);
      await client.end();
    }
    const seen = await api.call<DatabaseAnswer>(`${urlOf('api-2')}/v1/databases/${made.id}`, {
      timeoutMs: 5_000,
    });
    expect(seen).toMatchObject({ state: 'running', tenant: 'compose' });
    api.close();
  });

  test('workers of every role and the console live without a Temporal server', async () => {
    for (const name of Object.keys(stack.compose.services))
      if (/^(worker-|console)/.test(name)) running.set(name, stack.start(name));
    for (const name of names()) await untilHealthy(name);
  });

  withTemporal('with a Temporal server every worker serves its queue', async () => {
    const ports = {
      temporal: stack.port('temporal', '7233'),
      temporalUi: await freePort(),
    };
    const program = 'path' in binary ? binary.path : 'temporal';
    const args = serverArguments(stack.folder, ports, '127.0.0.1');
    stack.guard.add(spawn(program, args, { stdio: 'ignore', env: childEnvironment({}) }));
    for (const name of names().filter((one) => one.startsWith('worker-'))) {
      const url = `http://127.0.0.1:${stack.port(name, '7433')}/readyz`;
      const isReady = async (): Promise<boolean> =>
        (await fetch(url).catch(() => undefined))?.status === 200;
      await until(`${name} is ready`, isReady, HEALTHY_MS_MAX);
    }
  });
});
