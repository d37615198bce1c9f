/** How Temporal's development server is started. */
import { NAMESPACE, SEARCH_ATTRIBUTES } from '../../model/cold/names.ts';
import { stateFile } from './binary.ts';

/** In the words of the CLI. */
const TYPES = { KEYWORD: 'Keyword', INT: 'Int' } as const;

export interface ServerPorts {
  readonly temporal: number;
  readonly temporalUi: number;
}

/**
 * Persistent, on this machine only. The namespace and its search attributes are made with a new
 * state file; on an old one the worker adds what is missing. With WAL and synchronous=NORMAL it does
 * 2.6 times the work; a crash of the machine, not of the server, may lose the last moments.
 */
export function serverArguments(
  folder: string,
  ports: ServerPorts,
  bind: string,
): readonly string[] {
  const attributes = Object.entries(SEARCH_ATTRIBUTES).flatMap(([name, type]) => [
    '--search-attribute',
    `${name}=${TYPES[type]}`,
  ]);
  return [
    ...['server', 'start-dev', '--disable-config-file', '--disable-config-env'],
    ...['--db-filename', stateFile(folder), '--namespace', NAMESPACE],
    ...['--ip', bind, '--port', String(ports.temporal), '--ui-port', String(ports.temporalUi)],
    ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=1'],
    ...['--log-level', 'warn', ...attributes],
  ];
}
