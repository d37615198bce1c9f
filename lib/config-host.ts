/** Settings that only a host agent knows. */
import { pairs, SERVICE_KEYS } from './config-services.ts';
import { integer, key, oneOf, text } from './config.ts';

/** `name=whole number,…` */
function counts(value: string, name: string): Readonly<Record<string, number>> {
  const parse = integer(0, 1_000_000);
  return Object.fromEntries(
    Object.entries(pairs(value, name)).map(([size, n]) => [size, parse(n, name)]),
  );
}

export const HOST_KEYS = {
  ...SERVICE_KEYS,
  PILOTLIGHT_HOST_ID: key({ parse: text, help: "this host's id, a DNS label" }),
  PILOTLIGHT_HOST_URL: key({ parse: text, help: 'where the api reaches this agent' }),
  PILOTLIGHT_VOLUME: key({ parse: text, help: 'folder of the volume' }),
  PILOTLIGHT_VOLUME_RESERVE_MB: key({
    parse: integer(0, 1_000_000),
    fallback: 1_024,
    help: 'MiB of the volume (at most 5 % of it) that creates leave to the databases that are there',
  }),
  PILOTLIGHT_RUN: key({ parse: text, help: 'short folder for sockets and logs of incarnations' }),
  PILOTLIGHT_PG: key({ parse: text, help: 'folder with bin/postgres, bin/initdb' }),
  PILOTLIGHT_SLOTS: key({
    parse: counts,
    fallback: { small: 64, medium: 8 },
    help: 'slots of this host: size=count',
  }),
  PILOTLIGHT_SERVICE_USER: key({
    parse: text,
    fallback: 'nobody',
    help: 'unix user of initdb and the control Postgres servers where root starts them',
  }),
  PILOTLIGHT_LOCK: key({
    parse: oneOf('on', 'off'),
    fallback: 'on',
    help: 'off only to show what the lock prevents',
  }),
} as const;
