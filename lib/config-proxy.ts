/** Settings that only the proxy knows. */
import { endPoint, list, SERVICE_KEYS } from './config-services.ts';
import { integer, key, text } from './config.ts';

const ends = (value: string, name: string): readonly string[] =>
  list(value).map((end) => endPoint(end, name));

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
  PILOTLIGHT_PROXIES: key({
    parse: ends,
    fallback: [],
    help: 'host:port of all proxies, comma-separated, whom cancel requests of unknown sessions are passed to',
  }),
  PILOTLIGHT_GATE_BIND: key({
    parse: text,
    fallback: '0.0.0.0',
    help: 'address on which the gate listens, at the port of PILOTLIGHT_GATE',
  }),
  PILOTLIGHT_GATE_CERT: key({
    parse: text,
    fallback: '',
    help: "file with this machine's certificate for gates (PEM, for servers and clients); empty: no other machines",
  }),
  PILOTLIGHT_GATE_KEY: key({ parse: text, fallback: '', help: 'file with its private key (PEM)' }),
  PILOTLIGHT_GATE_CA: key({
    parse: text,
    fallback: '',
    help: 'file with the certificates (PEM) that issue those of all gates',
  }),
  PILOTLIGHT_GATE_RUN: key({
    parse: list,
    fallback: [],
    help: "run folders of this machine's agents, comma-separated, that the gate leads to",
  }),
} as const;
