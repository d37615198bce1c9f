import { describe, expect, test } from '@jest/globals';
import { ConfigError } from '../../lib/config-error.ts';
import { ALL_KEYS, readManagementConfig } from '../../lib/config-management.ts';
import { readKeys } from '../../lib/config.ts';
import { childEnvironment, downloadEnvironment, systemVariable } from '../../lib/environment.ts';

const HASH = 'a'.repeat(64);

describe('the settings of management', () => {
  test('are read as those of the hot path are, and beside them', () => {
    expect(readManagementConfig(['PILOTLIGHT_TEMPORAL', 'PILOTLIGHT_HOME'])).toEqual({
      PILOTLIGHT_TEMPORAL: 'auto',
      PILOTLIGHT_HOME: '.pilotlight',
    });
  });
});

describe('the settings', () => {
  test('are all explained in words', () => {
    for (const [name, { help }] of Object.entries(ALL_KEYS)) {
      expect(name).toMatch(/^[A-Z][A-Z_]+$/);
      expect(help).toMatch(/^\S.*[^.\s]$/);
    }
  });

  test('have their defaults where nothing is said', () => {
    expect(
      readManagementConfig(['PILOTLIGHT_PORT_BASE', 'PILOTLIGHT_BIND', 'PILOTLIGHT_SLOTS'], {}),
    ).toEqual({
      PILOTLIGHT_PORT_BASE: 7400,
      PILOTLIGHT_BIND: '127.0.0.1',
      PILOTLIGHT_SLOTS: { small: 64, medium: 8 },
    });
    expect(readManagementConfig(['PILOTLIGHT_BIND'], { PILOTLIGHT_BIND: '' }).PILOTLIGHT_BIND).toBe(
      '127.0.0.1',
    );
  });

  test('come from the environment of this process if no other is given', () => {
    expect(readManagementConfig(['PILOTLIGHT_NAMESPACES'])).toEqual({
      PILOTLIGHT_NAMESPACES: 'off',
    });
  });

  test('of a table are all read where none are named', () => {
    const table = { PILOTLIGHT_BIND: ALL_KEYS.PILOTLIGHT_BIND };
    expect(readKeys(table)).toEqual({ PILOTLIGHT_BIND: '127.0.0.1' });
  });

  test('can not be changed once they are read', () => {
    expect(Object.isFrozen(readManagementConfig(['PILOTLIGHT_BIND'], {}))).toBe(true);
  });

  test.each(['host-1:7480', '10.0.0.1:1', '[fd00::1]:7480'])('of an end point: %s', (gate) => {
    expect(readManagementConfig(['PILOTLIGHT_GATE'], { PILOTLIGHT_GATE: gate })).toEqual({
      PILOTLIGHT_GATE: gate,
    });
  });

  test('of several end points, and of none', () => {
    const read = (env: Record<string, string>) =>
      readManagementConfig(['PILOTLIGHT_PROXIES'], env).PILOTLIGHT_PROXIES;
    expect(read({ PILOTLIGHT_PROXIES: 'a:1, b:2' })).toEqual(['a:1', 'b:2']);
    expect(read({})).toEqual([]);
    expect(() => read({ PILOTLIGHT_PROXIES: 'a:1,b' })).toThrow('must be host:port, not "b"');
  });

  test.each(['host-1', ':7480', 'host-1:', 'host-1:99999', 'tcp://a:1', 'a:1/b', 'x@a:1'])(
    'of no end point: %s',
    (PILOTLIGHT_GATE) => {
      expect(() => readManagementConfig(['PILOTLIGHT_GATE'], { PILOTLIGHT_GATE })).toThrow(
        `PILOTLIGHT_GATE must be host:port, not "${PILOTLIGHT_GATE}"`,
      );
    },
  );

  test('that are needed and missing are named with their meaning', () => {
    expect(() => readManagementConfig(['PILOTLIGHT_PORT'], {})).toThrow(ConfigError);
    expect(() => readManagementConfig(['PILOTLIGHT_PORT'], {})).toThrow(
      'PILOTLIGHT_PORT is not set (port to listen on)',
    );
  });

  test('that are secret are taken out of the environment', () => {
    const env = { PILOTLIGHT_API_TOKEN: 'hunter2', PILOTLIGHT_BIND: '::1' };
    expect(readManagementConfig(['PILOTLIGHT_API_TOKEN', 'PILOTLIGHT_BIND'], env)).toEqual({
      PILOTLIGHT_API_TOKEN: 'hunter2',
      PILOTLIGHT_BIND: '::1',
    });
    expect(env).toEqual({ PILOTLIGHT_BIND: '::1' });
  });
});

describe('a setting', () => {
  test.each(['0', '65536', '80.5', '1e3', ' 80', 'http', '-1'])(
    'of a port is not %j',
    (PILOTLIGHT_PORT) => {
      expect(() => readManagementConfig(['PILOTLIGHT_PORT'], { PILOTLIGHT_PORT })).toThrow(
        `PILOTLIGHT_PORT must be a whole number from 1 to 65535, not "${PILOTLIGHT_PORT}"`,
      );
    },
  );

  test('of a port is a number', () => {
    const env = { PILOTLIGHT_PORT: '7401' };
    expect(readManagementConfig(['PILOTLIGHT_PORT'], env)).toEqual({ PILOTLIGHT_PORT: 7401 });
  });

  test('of few choices is one of them', () => {
    const read = (PILOTLIGHT_LOG_LEVEL: string) =>
      readManagementConfig(['PILOTLIGHT_LOG_LEVEL'], { PILOTLIGHT_LOG_LEVEL }).PILOTLIGHT_LOG_LEVEL;
    expect(read('debug')).toBe('debug');
    expect(() => read('loud')).toThrow(
      'PILOTLIGHT_LOG_LEVEL must be one of debug, info, warn, error, silent, not "loud"',
    );
  });

  test('that is a list has no empty parts', () => {
    const env = { PILOTLIGHT_API_URLS: 'http://a, http://b,,' };
    expect(readManagementConfig(['PILOTLIGHT_API_URLS'], env).PILOTLIGHT_API_URLS).toEqual([
      'http://a',
      'http://b',
    ]);
  });

  test('of pairs keeps what follows the first =', () => {
    const env = { PILOTLIGHT_TOKENS: `proxy=${HASH},operator=a=b` };
    expect(readManagementConfig(['PILOTLIGHT_TOKENS'], env).PILOTLIGHT_TOKENS).toEqual({
      proxy: HASH,
      operator: 'a=b',
    });
  });

  test.each(['proxy', '=hash', 'proxy=a,=b'])('of pairs is not %j', (PILOTLIGHT_TOKENS) => {
    expect(() => readManagementConfig(['PILOTLIGHT_TOKENS'], { PILOTLIGHT_TOKENS })).toThrow(
      'PILOTLIGHT_TOKENS must be name=value,name=value',
    );
  });

  test('of counts has numbers', () => {
    const read = (PILOTLIGHT_SLOTS: string) =>
      readManagementConfig(['PILOTLIGHT_SLOTS'], { PILOTLIGHT_SLOTS }).PILOTLIGHT_SLOTS;
    expect(read('small=32,medium=4')).toEqual({ small: 32, medium: 4 });
    expect(() => read('small=many')).toThrow('PILOTLIGHT_SLOTS must be a whole number');
  });
});

describe("a child's environment", () => {
  test('has what the system needs, what is added, and nothing else', () => {
    const env = { PATH: '/bin', TZ: 'UTC', PILOTLIGHT_API_TOKEN: 'hunter2', LD_PRELOAD: 'x' };
    expect(childEnvironment({ PILOTLIGHT_PORT: '1' }, env)).toEqual({
      PATH: '/bin',
      TZ: 'UTC',
      PILOTLIGHT_PORT: '1',
    });
  });

  test('for one that downloads has the way to the internet as well, and no more', () => {
    const env = { PATH: '/bin', https_proxy: 'p', GOPROXY: 'g', GOFLAGS: 'f', AWS_TOKEN: 'x' };
    expect(downloadEnvironment({ GOBIN: 'b' }, env)).toEqual({
      PATH: '/bin',
      https_proxy: 'p',
      GOPROXY: 'g',
      GOBIN: 'b',
    });
    expect(downloadEnvironment({})).toHaveProperty('PATH', expect.any(String));
  });

  test('is made of the own one if no other is given', () => {
    expect(childEnvironment({})).toHaveProperty('PATH', expect.any(String));
  });

  test('variables of the system can be asked for', () => {
    expect([undefined, childEnvironment({})['HOME']]).toContain(systemVariable('HOME'));
  });
});
