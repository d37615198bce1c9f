/** The naive plane beside a stack: its table, its worker in the place of the product's, its front. */
import { join } from 'node:path';
import { nodeCommand } from '../../dev/commands.ts';
import type { Endpoints } from '../../dev/endpoints.ts';
import { BIND } from '../../dev/plan.ts';
import { waitReady } from '../../dev/ready.ts';
import { freePort } from '../../lib/free-port.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { hashToken } from '../../lib/tokens.ts';
import { createColdSide, type ColdSide } from '../cold/cold-side.ts';
import { createProcess } from '../cold/process.ts';
import { makeTable, resetTable, type TableContent } from './table.ts';

export interface NaivePlane {
  readonly cold: ColdSide;
  /** Of its front: takes the calls that an api takes, with the operator's token. */
  readonly url: string;
  /** All databases are asleep: its table is told. */
  readonly reset: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Starts the Temporal server as well. @throws ConfigError if it does not become ready. */
export async function startNaivePlane(
  endpoints: Endpoints,
  program: string,
  content: Omit<TableContent, 'hosts'>,
): Promise<NaivePlane> {
  const hosts = endpoints.hosts.map(({ url }) => url);
  const tableUrl = await makeTable(endpoints.hot_url, { ...content, hosts });
  const bare = new URL(tableUrl);
  bare.password = '';
  const cold = await createColdSide(endpoints, program, {
    main: ['bench/naive/worker-main.js', bare.href],
    // What anybody may read of a process is its command line. The driver takes this by itself.
    env: { PGPASSWORD: decodeURIComponent(new URL(tableUrl).password) },
    lowered: false,
  });
  const port = await freePort();
  const url = `http://${BIND}:${port}`;
  const logFile = join(endpoints.home, 'logs/naive-front.log');
  const front = createProcess({
    command: nodeCommand('bench/naive/front-main.js'),
    env: {
      ...cold.mark,
      PILOTLIGHT_PORT: String(port),
      PILOTLIGHT_TEMPORAL_ADDRESS: cold.address,
      PILOTLIGHT_TOKENS: `operator=${hashToken(endpoints.api.tokens['operator'] ?? '')}`,
    },
    logFile,
  });
  cold.startServer();
  cold.startWorker();
  front.start();
  const client = createJsonClient('');
  try {
    await cold.workerReady();
    const { signal } = new AbortController();
    await waitReady(client, { name: 'naive-front', url, logFile, signal });
  } finally {
    client.close();
  }
  return {
    cold,
    url,
    reset: () => resetTable(tableUrl),
    async stop() {
      await Promise.all([cold.stop(), front.kill()]);
    },
  };
}
