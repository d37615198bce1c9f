/** A fleet without a vacant slot: all are warm, and starts have to take their room. */
import type { Endpoints } from '../../dev/endpoints.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import { codeOf } from '../../model/errors.ts';
import { POSTGRES_READY_MS_MAX } from '../../model/limits.ts';

/** Makes warm slots on every host until none has room. @returns how many. */
export async function fillUp({ hosts }: Endpoints, size: string): Promise<number> {
  const made = hosts.map(async ({ url, token }) => {
    const client = createJsonClient(token);
    try {
      for (let count = 0; ; count++) {
        const options = { body: { size }, timeoutMs: POSTGRES_READY_MS_MAX };
        const full = await client.call(`${url}/v1/warm`, options).then(
          () => false,
          (error: unknown) => {
            if (codeOf(error) === 'no_capacity') return true;
            throw error;
          },
        );
        if (full) return count;
      }
    } finally {
      client.close();
    }
  });
  return (await Promise.all(made)).reduce((sum, count) => sum + count, 0);
}
