import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openTokenFile, parseCallers, type TokenFile } from '../../api/callers.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { replaceFile } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import { hashToken } from '../../lib/tokens.ts';
import { codeOf } from '../../model/errors.ts';

describe('the file of callers', () => {
  const one = { name: 'a', scopes: ['create'], tenants: ['t'], sha256: [hashToken('x')] };

  test('is read as it was written', () => {
    expect(parseCallers(JSON.stringify({ callers: [one] }))).toEqual([one]);
  });

  test.each([
    ['{', 'not JSON'],
    ['[]', 'expected object'],
    ['{"callers":{}}', 'callers: '],
    [JSON.stringify({ callers: [one, one] }), 'a name twice'],
    ...[
      null,
      { ...one, name: 1 },
      { ...one, scopes: 'create' },
      { ...one, scopes: ['root'] },
      { ...one, tenants: 't' },
      { ...one, sha256: ['x'] },
      { ...one, sha256: [1, 2, 3].map((n) => hashToken(`${n}`)) },
    ].map((wrong) => [JSON.stringify({ callers: [one, wrong] }), 'callers.1']),
  ])('%j is refused with its reason', (text, why) => {
    expect(() => parseCallers(text)).toThrow(ConfigError);
    expect(() => parseCallers(text)).toThrow(why);
  });
});

describe('a process with a file of callers', () => {
  let folder: string;
  let path: string;
  let file: TokenFile | undefined;
  const said: string[] = [];
  const log = {
    info: () => undefined,
    error: (_: object, text: string) => said.push(text),
  } as unknown as Logger;
  const write = (...tokens: readonly string[]): Promise<void> =>
    replaceFile(
      path,
      JSON.stringify({
        callers: [{ name: 'a', scopes: ['create'], sha256: tokens.map(hashToken) }],
      }),
    );
  function codeOfToken(token: string): string {
    try {
      return `ok ${file?.check(`Bearer ${token}`, ['create']).name}`;
    } catch (error) {
      return codeOf(error);
    }
  }
  async function until(holds: () => boolean): Promise<void> {
    for (let i = 0; !holds() && i < 200; i++) await pause(50);
    expect(holds()).toBe(true);
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pilotlight-tokens-'));
    path = join(folder, 'callers.json');
    said.length = 0;
  });
  afterEach(async () => {
    file?.stop();
    file = undefined;
    await rm(folder, { recursive: true });
  });

  test('takes a second token and lets go of the first while it runs', async () => {
    await write('one');
    file = await openTokenFile(path, log, 5);
    expect(codeOfToken('one')).toBe('ok a');
    await write('one', 'two');
    await until(() => codeOfToken('two') === 'ok a');
    expect(codeOfToken('one')).toBe('ok a');
    await write('two');
    await until(() => codeOfToken('one') === 'unauthenticated');
    expect(codeOfToken('two')).toBe('ok a');
  });

  test('keeps the callers of before while the file is wrong, says so once, and goes on', async () => {
    await write('one');
    file = await openTokenFile(path, log, 5);
    await writeFile(path, '{"callers":');
    await until(() => said.length > 0);
    expect(codeOfToken('one')).toBe('ok a');
    await write('two');
    await until(() => codeOfToken('two') === 'ok a');
    expect(said).toHaveLength(1);
  });

  test('does not start without the file, or with a wrong one', async () => {
    await expect(openTokenFile(path, log)).rejects.toThrow('can not be read');
    await writeFile(path, '[]');
    await expect(openTokenFile(path, log)).rejects.toThrow('expected object');
  });
});
