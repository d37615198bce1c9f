/** Settings of the processes that call an api. */
import { ConfigError } from './config-error.ts';
import { integer, key, KEYS, text } from './config.ts';

/** A comma-separated list. */
export const list = (value: string): readonly string[] =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** `name=value,name=value` */
export function pairs(value: string, name: string): Readonly<Record<string, string>> {
  const out: Record<string, string> = {};
  for (const item of list(value)) {
    const at = item.indexOf('=');
    if (at < 1) throw new ConfigError(`${name} must be name=value,name=value, not "${value}"`);
    out[item.slice(0, at)] = item.slice(at + 1);
  }
  return out;
}

/** `host:port`, as a URL has it. */
export function endPoint(value: string, name: string): string {
  const url = URL.canParse(`tcp://${value}`) ? new URL(`tcp://${value}`) : undefined;
  if (url === undefined || url.port === '' || url.host !== value)
    throw new ConfigError(`${name} must be host:port, not "${value}"`);
  return value;
}

export const SERVICE_KEYS = {
  ...KEYS,
  PILOTLIGHT_WATCH: key({
    parse: text,
    fallback: '',
    help: 'a file of the home; when it is gone, the process ends',
  }),
  PILOTLIGHT_METRICS_PORT: key({
    parse: integer(0, 65_535),
    fallback: 0,
    help: 'port of /livez, /readyz and /metrics where the main port does not speak HTTP',
  }),
  PILOTLIGHT_API_URLS: key({ parse: list, help: 'base addresses of the api instances' }),
  PILOTLIGHT_API_TOKEN: key({ parse: text, secret: true, help: 'bearer token for the api' }),
  PILOTLIGHT_TOKENS: key({
    parse: pairs,
    secret: true,
    help: 'callers of this service: scope=SHA-256 of the token in hex (two with + between), comma-separated',
  }),
  PILOTLIGHT_GATE: key({
    parse: endPoint,
    fallback: '',
    help: "host:port at which proxies of other machines reach this machine's databases; empty: from here only",
  }),
  PILOTLIGHT_PROXY_USER: key({
    parse: text,
    fallback: 'daemon',
    help: 'unix user of the proxy where it starts as root',
  }),
} as const;
