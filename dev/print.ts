/** What `npm start` says. */
import type { Endpoints } from './endpoints.ts';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** Lines for people with the time since the start in front. */
export function createProgress(write: (text: string) => void, now: () => number) {
  const began = now();
  return {
    say: (line: string): void => write(`${seconds(now() - began).padStart(8)}  ${line}\n`),
    elapsed: (): string => seconds(now() - began),
  };
}

/** @param header the file of the home with the operator's token as curl takes it. */
export function readyText(endpoints: Endpoints, elapsed: string, header: string): string {
  const lines = [`ready: hot path (${elapsed})`, ''];
  const { demo } = endpoints;
  if (demo !== null)
    lines.push(
      '  a database, asleep; the first connection wakes it',
      `    ${demo.connection_string}`,
      '',
    );
  lines.push(
    `  the api at ${endpoints.api.url}`,
    `    curl -s -H @${header} ${endpoints.api.url}/v1/databases`,
    '',
  );
  if (demo !== null)
    lines.push(
      '  try next',
      '    npm run -s sql -- "select now()"',
      `    psql "${demo.connection_string}"`,
      '    npm run demo',
    );
  lines.push('', '  Ctrl-C stops everything; the data stay.');
  return `${lines.join('\n')}\n`;
}

/** Said when Temporal and the workers are there, some time after the hot path. */
export function managementText(
  management: NonNullable<Endpoints['management']>,
  elapsed: string,
): string {
  const { ui_url: ui, address } = management;
  const lines = [
    `ready: management (${elapsed})`,
    '',
    ui === null ? `  the Temporal server at ${address}` : `  Temporal's UI at ${ui}`,
    '    npm run -s temporal -- schedule list',
    '    npm run -s temporal -- workflow list',
  ];
  return `${lines.join('\n')}\n`;
}
