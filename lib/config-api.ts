/** Settings that only the api knows. */
import { key, KEYS, text } from './config.ts';

export const API_KEYS = {
  ...KEYS,
  PILOTLIGHT_TOKENS_FILE: key({
    parse: text,
    help: 'file with the callers of the api, hashed; a change holds within seconds',
  }),
  PILOTLIGHT_PROXY_ADDRESS: key({
    parse: text,
    help: 'host:port that connection strings name',
  }),
} as const;
