/**
 * `endpoints.json` in the home: every address and token of a running stack, for programs. It is
 * there while the stack is ready, and readable by its owner alone.
 */
import { readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConfigError } from '../lib/config-error.ts';
import { isMissing } from '../lib/errno.ts';
import { replaceFile } from '../lib/files.ts';
import { isAlive, type ProcessId } from './process-table.ts';

export interface Endpoints {
  readonly home: string;
  readonly runner: ProcessId;
  readonly ready_at: string;
  readonly proxy: {
    readonly host: string;
    readonly port: number;
    /** Of all proxies, the first's among them. */
    readonly ports: readonly number[];
    readonly health_url: string;
    /** The file with what it shows in TLS: a client that knows it can verify. */
    readonly certificate: string;
  };
  readonly api: {
    readonly url: string;
    /** Of all instances, this first one included. */
    readonly urls: readonly string[];
    /** By scope. */
    readonly tokens: Readonly<Record<string, string>>;
  };
  readonly hosts: readonly {
    readonly id: string;
    readonly url: string;
    readonly token: string;
  }[];
  readonly volume: string;
  readonly hot_url: string;
  readonly cold_url: string;
  /** Temporal and the workers, once they are ready. */
  readonly management: {
    /** Temporal's gRPC address. */
    readonly address: string;
    /** null: it is a server that was there already. */
    readonly ui_url: string | null;
    readonly worker_health_url: string;
    readonly console: {
      readonly url: string;
      /** By scope. */
      readonly tokens: Readonly<Record<string, string>>;
    };
    /** The `temporal` program, if there is one. */
    readonly program: string | null;
  } | null;
  readonly demo: { readonly database: string; readonly connection_string: string } | null;
  /** Process ids by name, as of the last change. */
  readonly processes: Readonly<Record<string, number>>;
}

const fileOf = (home: string): string => resolve(home, 'endpoints.json');

export const writeEndpoints = (endpoints: Endpoints): Promise<void> =>
  replaceFile(fileOf(endpoints.home), `${JSON.stringify(endpoints, undefined, 2)}\n`, 0o600);

export const removeEndpoints = (home: string): Promise<void> => rm(fileOf(home), { force: true });

/** @returns undefined if no stack is ready on this home. */
export async function readEndpoints(home: string): Promise<Endpoints | undefined> {
  let text: string;
  try {
    text = await readFile(fileOf(home), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new ConfigError(`${fileOf(home)} can not be read`, { cause: error });
  }
  const endpoints = JSON.parse(text) as Endpoints;
  return isAlive(endpoints.runner) ? endpoints : undefined;
}
