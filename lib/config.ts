/**
 * The one reader of the environment. Every key is declared once, with its type, default and meaning:
 * here if the api and others know it, else in the `config-*.ts` beside this file that the process
 * loads. A main asks for the keys it needs and gets a frozen object. Secrets are taken out of the
 * environment when they are read, so that no child process and no crash dump inherits them.
 */
import { ConfigError } from './config-error.ts';

export interface Key<T> {
  readonly parse: (text: string, name: string) => T;
  readonly fallback?: T;
  readonly secret?: boolean;
  readonly help: string;
}

export const text = (value: string): string => value;

export function integer(min: number, max: number) {
  return (value: string, name: string): number => {
    const n = Number(value);
    if (!/^-?\d+$/.test(value) || n < min || n > max)
      throw new ConfigError(`${name} must be a whole number from ${min} to ${max}, not "${value}"`);
    return n;
  };
}

export function oneOf<const T extends string>(...choices: readonly T[]) {
  return (value: string, name: string): T => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined)
      throw new ConfigError(`${name} must be one of ${choices.join(', ')}, not "${value}"`);
    return found;
  };
}

const port = integer(1, 65_535);

export const key = <const T>(spec: Key<T>): Key<T> => spec;

export const KEYS = {
  PILOTLIGHT_LOG_LEVEL: key({
    parse: oneOf('debug', 'info', 'warn', 'error', 'silent'),
    fallback: 'info',
    help: 'lowest level that is logged',
  }),
  PILOTLIGHT_BIND: key({ parse: text, fallback: '127.0.0.1', help: 'address to listen on' }),
  PILOTLIGHT_PORT: key({ parse: port, help: 'port to listen on' }),
  PILOTLIGHT_AGENT_TOKEN: key({ parse: text, secret: true, help: 'bearer token for host agents' }),
  PILOTLIGHT_FLEET_SECRET: key({
    parse: text,
    secret: true,
    help: 'secret that every api and proxy of the fleet shares (mock salts)',
  }),
  PILOTLIGHT_HOT_URL: key({ parse: text, secret: true, help: 'hot Postgres' }),
} as const;

type Keys = Readonly<Record<string, Key<unknown>>>;
export type Config<T extends Keys, K extends keyof T> = {
  readonly [N in K]: T[N] extends Key<infer V> ? V : never;
};

function readOne(name: string, spec: Key<unknown>, env: NodeJS.ProcessEnv): unknown {
  const raw = env[name];
  if (spec.secret) delete env[name];
  if (raw !== undefined && raw !== '') return spec.parse(raw, name);
  if (spec.fallback === undefined) throw new ConfigError(`${name} is not set (${spec.help})`);
  return spec.fallback;
}

/**
 * Reads these keys of a table, or all of them.
 * @throws ConfigError with one sentence for people when a key is missing or wrong.
 */
export function readKeys<T extends Keys, const K extends keyof T & string>(
  table: T,
  names: readonly K[] = Object.keys(table) as K[],
  env: NodeJS.ProcessEnv = process.env,
): Config<T, K> {
  const entries = names.map((name) => [name, readOne(name, table[name] as Key<unknown>, env)]);
  return Object.freeze(Object.fromEntries(entries)) as Config<T, K>;
}
