/** Settings that only management and the tools know, which may ask for those of any process as well. */
import { API_KEYS } from './config-api.ts';
import { HOST_KEYS } from './config-host.ts';
import { PROXY_KEYS } from './config-proxy.ts';
import { pairs } from './config-services.ts';
import { integer, key, oneOf, readKeys, text, type Config } from './config.ts';

const MANAGEMENT_KEYS = {
  PILOTLIGHT_HOME: key({ parse: text, fallback: '.pilotlight', help: 'state folder of npm start' }),
  PILOTLIGHT_PORT_BASE: key({
    parse: integer(1024, 65_000),
    fallback: 7400,
    help: 'first port of npm start; docs list the offsets',
  }),
  PILOTLIGHT_NAMESPACES: key({
    parse: oneOf('on', 'off'),
    fallback: 'off',
    help: 'npm start gives each host PID and IPC namespaces of its own (root only)',
  }),
  PILOTLIGHT_COLD_URL: key({ parse: text, secret: true, help: 'cold Postgres' }),
  PILOTLIGHT_SEALING_KEY_FILE: key({
    parse: text,
    help: "file with the console's private key for sealed passwords, readable by its owner only",
  }),
  PILOTLIGHT_SEALING_PUBLIC_KEY: key({
    parse: text,
    fallback: '',
    help: 'key to which workers seal new passwords; without it keys are not rotated',
  }),
  PILOTLIGHT_TEMPORAL: key({
    parse: oneOf('auto', 'off'),
    fallback: 'auto',
    help: 'off: npm start runs the hot path alone, without Temporal and its workers',
  }),
  PILOTLIGHT_TEMPORAL_ADDRESS: key({
    parse: text,
    fallback: '',
    help: 'host:port of the Temporal server of a worker; empty: TEMPORAL_ADDRESS',
  }),
  TEMPORAL_ADDRESS: key({
    parse: text,
    fallback: '',
    help: 'a Temporal server to use; npm start then starts none of its own',
  }),
  PILOTLIGHT_TEMPORAL_RETENTION_DAYS: key({
    parse: integer(1, 365),
    fallback: 30,
    help: 'how long Temporal keeps the history of a workflow that has ended',
  }),
  PILOTLIGHT_REQUIRE_TEMPORAL: key({
    parse: oneOf('0', '1'),
    fallback: '0',
    help: '1: tests that need a Temporal server fail without one instead of being skipped',
  }),
  PILOTLIGHT_WORKER_METRICS_PORT: key({
    parse: integer(0, 65_535),
    fallback: 0,
    help: "port of the Temporal SDK's own /metrics of a worker, 0 = none; ours: PILOTLIGHT_METRICS_PORT",
  }),
  PILOTLIGHT_TEMPORAL_PROGRAM: key({
    parse: text,
    fallback: '',
    help: 'path of the temporal program that npm start and the tests run; empty: look for one',
  }),
  PILOTLIGHT_ROLE_PASSWORDS: key({
    parse: pairs,
    secret: true,
    fallback: {},
    help: 'what the migration of a control server sets: role=password, comma-separated',
  }),
  PILOTLIGHT_SIM_HOSTS: key({
    parse: integer(1, 1_000),
    fallback: 1,
    help: 'simulated hosts in one process, for benches: their ids and ports are counted up',
  }),
  PILOTLIGHT_HOSTS: key({
    parse: pairs,
    fallback: {},
    help: 'hosts that npm run rebuild asks, host=address, comma-separated; empty: those of npm start',
  }),
  PILOTLIGHT_TEST_SECONDS: key({
    parse: integer(1, 86_400),
    fallback: 20,
    help: 'how long the tests of interleavings look for an order that breaks something',
  }),
  PILOTLIGHT_TEST_SEED: key({
    parse: integer(0, 2 ** 31 - 1),
    fallback: 1,
    help: 'seed of the tests of interleavings, the same in every npm test; 0 = a new one',
  }),
  PGPASSWORD: key({ parse: text, fallback: '', secret: true, help: 'password for npm run sql' }),
} as const;

/** Every setting there is. */
export const ALL_KEYS = { ...API_KEYS, ...HOST_KEYS, ...PROXY_KEYS, ...MANAGEMENT_KEYS };

export type ManagementKey = keyof typeof ALL_KEYS;
export type ManagementConfig<K extends ManagementKey> = Config<typeof ALL_KEYS, K>;

/** Reads keys of management, or any other. @throws ConfigError as `readKeys` does. */
export const readManagementConfig = <const K extends ManagementKey>(
  names: readonly K[],
  env?: NodeJS.ProcessEnv,
): ManagementConfig<K> => readKeys(ALL_KEYS, names, env);
