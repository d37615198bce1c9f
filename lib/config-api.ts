/** Settings that only the api knows. */
import { key, KEYS, text } from './config.ts';

export const API_KEYS = {
  ...KEYS,
  PILOTLIGHT_PROXY_ADDRESS: key({
    parse: text,
    help: 'host:port that connection strings name',
  }),
} as const;
