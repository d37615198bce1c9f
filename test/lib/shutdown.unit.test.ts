import { describe, expect, test } from '@jest/globals';
import { startChild } from '../support/child.ts';

/** A process with two steps, the second of which is registered by the test. */
const withSteps = (second: string, graceMs = 5_000): string => `
  import { createLogger } from './lib/log.ts';
  import { installShutdown } from './lib/shutdown.ts';
  const { onStop, stop } = installShutdown(createLogger('test', 'info'), ${graceMs});
  const say = (text) => process.stdout.write(text + '\\n');
  onStop('first', () => say('first stopped'));
  onStop('second', ${second});
  setInterval(() => undefined, 1_000);
  say('ready');
`;

describe('a process that is told to stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s runs its steps, the last one first',
    async (signal) => {
      const child = startChild(withSteps(`async () => say('second stopped')`));
      await child.says('ready');
      child.process.kill(signal);
      const { code, stdout, stderr } = await child.ended;
      expect(code).toBe(0);
      expect(stdout).toBe('ready\nsecond stopped\nfirst stopped\n');
      expect(stderr).toContain(`"reason":"${signal}"`);
    },
  );

  test('goes on with the next step when one fails', async () => {
    const child = startChild(withSteps(`() => { throw new Error('stuck'); }`));
    await child.says('ready');
    child.process.kill('SIGTERM');
    const { code, stdout, stderr } = await child.ended;
    expect(code).toBe(0);
    expect(stdout).toContain('first stopped');
    expect(stderr).toContain('a step of the shutdown failed');
    expect(stderr).toContain('stuck');
  });

  test('ends after its grace time even if a step does not', async () => {
    const child = startChild(withSteps('() => new Promise(() => undefined)', 50));
    await child.says('ready');
    child.process.kill('SIGTERM');
    const { code, stdout, stderr } = await child.ended;
    expect(code).toBe(1);
    expect(stdout).not.toContain('first stopped');
    expect(stderr).toContain('the shutdown took too long');
  });

  test('stops once, whoever else asks, with the code that it was asked for first', async () => {
    const script = `${withSteps(`() => say('second stopped')`)} stop('done', 3); stop('again', 4);`;
    const { code, stdout } = await startChild(script).ended;
    expect(code).toBe(3);
    expect(stdout.match(/second stopped/g)).toHaveLength(1);
  });
});

const main = (body: string): string => `
  import { ConfigError } from './lib/config-error.ts';
  import { runMain } from './lib/shutdown.ts';
  runMain('test', async () => { ${body} });
`;

describe('a main', () => {
  test('that ends ends well', async () => {
    expect(await startChild(main('')).ended).toMatchObject({ code: 0, stderr: '' });
  });

  test('tells a mistake of the person who started it in one sentence', async () => {
    const { code, stderr } = await startChild(main(`throw new ConfigError('no port is free');`))
      .ended;
    expect(code).toBe(1);
    expect(stderr).toBe('test: no port is free\n');
  });

  test.each([
    ['an error', `throw new Error('a bug');`],
    ['a rejection that nobody handles', `void Promise.reject(new Error('a bug'));`],
    ['an exception in a callback', `setImmediate(() => { throw new Error('a bug'); });`],
  ])('dies of %s with its stack', async (_, body) => {
    const { code, stderr } = await startChild(main(body)).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^test: Error: a bug\n {4}at /);
  });

  test('dies of whatever is thrown', async () => {
    const { code, stderr } = await startChild(main(`throw 'just text';`)).ended;
    expect(code).toBe(1);
    expect(stderr).toBe('test: just text\n');
  });

  test('shows an error without a stack by its message', async () => {
    const body = `const e = new Error('bare'); e.stack = undefined; throw e;`;
    expect((await startChild(main(body)).ended).stderr).toBe('test: bare\n');
  });
});
