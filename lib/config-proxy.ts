/** Settings that only the proxy knows. */
import { SERVICE_KEYS } from './config-services.ts';
import { integer, key } from './config.ts';

export const PROXY_KEYS = {
  ...SERVICE_KEYS,
  PILOTLIGHT_HOLD_MS: key({
    parse: integer(100, 600_000),
    fallback: 10_000,
    help: 'how long the proxy holds a client while its database wakes',
  }),
} as const;
