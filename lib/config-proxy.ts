/** Settings that only the proxy knows. */
import { SERVICE_KEYS } from './config-services.ts';
import { integer, key, text } from './config.ts';

export const PROXY_KEYS = {
  ...SERVICE_KEYS,
  PILOTLIGHT_HOLD_MS: key({
    parse: integer(100, 600_000),
    fallback: 10_000,
    help: 'how long the proxy holds a client while its database wakes',
  }),
  PILOTLIGHT_TLS_CERT: key({
    parse: text,
    fallback: '',
    help: "file with the proxy's certificate chain (PEM), read again when it changes; empty: no TLS",
  }),
  PILOTLIGHT_TLS_KEY: key({
    parse: text,
    fallback: '',
    help: "file with the certificate's private key (PEM), readable by the proxy's user only",
  }),
} as const;
