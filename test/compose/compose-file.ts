/** docker-compose.yml as data: merged, with the defaults of its variables filled in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { PACKAGE_ROOT } from '../../lib/root.ts';

export interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly user?: string;
  readonly restart?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly env_file?: readonly string[];
  readonly networks?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

export const textOf = (path: string): string => readFileSync(join(PACKAGE_ROOT, path), 'utf8');

/** `${NAME:-default}` → default, `$$` → `$`: what docker compose does where nothing is set. */
const filled = (text: string): string =>
  text.replace(/\$\{\w+:-([^}]*)\}/g, '$1').replaceAll('$$', '$');

export const readCompose = (text = textOf('docker-compose.yml')): ComposeFile =>
  parse(filled(text), { merge: true }) as ComposeFile;

/** `NAME=value` of the Dockerfile's ENV. */
export function imageEnvironment(): Readonly<Record<string, string>> {
  const env = /^ENV (?:.*\\\n)*.*$/m.exec(textOf('Dockerfile'))?.[0] ?? '';
  return Object.fromEntries(
    [...env.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  ) as Record<string, string>;
}

/** The words before a service's command. */
export function entrypoint(): readonly string[] {
  const found = /^ENTRYPOINT (\[.*\])$/m.exec(textOf('Dockerfile'))?.[1];
  return JSON.parse(found ?? '[]') as string[];
}

/** The services of the hot path; all others are cold. */
export const isHot = (name: string): boolean =>
  /^(hot(-migrate)?|api|host|proxy)(-\d)?$/.test(name);

/** Services whose process is one of ours. */
export const isOurs = (service: Service): boolean => service.image === 'pilotlight';
/** Those that do their work and end. */
export const isOneShot = (service: Service): boolean => service.restart === 'on-failure';
