/** What the workflows do, each step safe to be done again: activities, run where the workflow is. */
import type { JsonClient } from '../../lib/json-client.ts';
import { AppError } from '../../model/errors.ts';
import { AGENT_CALL_MS_MAX, ATTACH_MS_MAX } from '../../model/limits.ts';
import type { Address, AgentSuspendAnswer, Incarnation } from '../../model/wire.ts';
import { SIZE, type Claim, type Table } from './table.ts';

export interface Started {
  readonly epoch: number;
  readonly address: Address;
}

export interface NaiveDeps {
  readonly table: Table;
  readonly agents: JsonClient;
}

export function createNaiveSteps({ table, agents }: NaiveDeps) {
  return {
    /** A slot as a new epoch, or where it runs already. */
    async claim(database: string): Promise<Claim | Started> {
      const row = await table.claim(database);
      if (row === undefined) throw new AppError('not_found');
      if (row.state === 'suspended') throw new AppError('no_capacity');
      const { epoch, address, host_url, slot } = row;
      return address === null ? { database, epoch, host_url, slot } : { epoch, address };
    },

    async attach(claim: Claim): Promise<Started> {
      const { database, epoch, slot, host_url } = claim;
      const { address } = await agents.call<Incarnation>(`${host_url}/v1/attach`, {
        body: { database, epoch, size: SIZE, slot },
        timeoutMs: ATTACH_MS_MAX,
      });
      await table.running(claim, address);
      return { epoch, address };
    },

    /** Stops what runs. @returns what is to be vacated. */
    async detach(database: string): Promise<Claim | undefined> {
      const row = await table.find(database);
      if (row?.state !== 'running') return undefined;
      const { epoch, host_url, slot } = row;
      await agents.call<AgentSuspendAnswer>(`${host_url}/v1/suspend`, {
        body: { database, epoch, if_idle: false },
        timeoutMs: AGENT_CALL_MS_MAX,
      });
      return { database, epoch, host_url, slot };
    },

    vacate: (claim: Claim): Promise<void> => table.vacate(claim),
  };
}

export type NaiveSteps = ReturnType<typeof createNaiveSteps>;
