import { describe, expect, test } from '@jest/globals';
import { startChild } from '../support/child.ts';

async function linesOf(level: string, calls: string): Promise<Record<string, unknown>[]> {
  const script = `
    import { createLogger } from './lib/log.ts';
    const log = createLogger('proxy', '${level}');
    ${calls}
  `;
  const { stderr, stdout } = await startChild(script).ended;
  expect(stdout).toBe('');
  const lines = stderr.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the log', () => {
  test('is one JSON object a line on standard error', async () => {
    const [line, ...more] = await linesOf('info', `log.info({ database: 'db-1' }, 'started');`);
    expect(more).toEqual([]);
    expect(line).toMatchObject({
      level: 'info',
      process: 'proxy',
      database: 'db-1',
      msg: 'started',
    });
    expect(Number(line?.['pid'])).toBeGreaterThan(0);
    expect(new Date(String(line?.['time'])).toISOString()).toBe(line?.['time']);
  });

  test('leaves out what is below its level', async () => {
    const lines = await linesOf('warn', `log.info('quiet'); log.warn('loud');`);
    expect(lines.map((line) => line['msg'])).toEqual(['loud']);
  });

  test('never shows what looks like a secret, wherever it sits', async () => {
    const lines = await linesOf(
      'info',
      `log.info({ password: 'hunter2', request: { authorization: 'hunter2', body: { roles: 'hunter2' } } });
       log.info({ identity: { verifiers: ['hunter2'] }, token: 'hunter2', secret: 'hunter2' });`,
    );
    expect(lines).toHaveLength(2);
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    expect(JSON.stringify(lines)).toContain('[secret]');
  });
});
