/** Whether the index and the agents say the same of every slot, once the dust has settled. */
import { connect } from '../../db/client.ts';
import type { Endpoints } from '../../dev/endpoints.ts';
import { createJsonClient } from '../../lib/http-client.ts';
import type { HostReport } from '../../model/wire.ts';

const CALL_MS = 5_000;
const SETTLE_MS_MAX = 30_000;
const LOOK_MS = 500;

/** `host size slot what`, one line for each slot. */
type SlotLines = ReadonlySet<string>;

const INDEX = `
  select host_id, size, slot, 'vacant' from slot_vacant
  union all select host_id, size, slot, 'warm ' || directory from slot_warm
  union all select host_id, size, slot, 'assigned ' || database_id from assignment`;

async function readIndex(url: string): Promise<SlotLines> {
  const client = await connect(url);
  try {
    const { rows } = await client.query(INDEX);
    return new Set(rows.map((row) => row.join(' ')));
  } finally {
    await client.end();
  }
}

function linesOf(report: HostReport): string[] {
  const named = new Map(report.slots.map((slot) => [`${slot.size} ${slot.slot}`, slot]));
  return Object.entries(report.capacity).flatMap(([size, count]) =>
    Array.from({ length: count }, (_, i) => {
      const slot = named.get(`${size} ${i + 1}`);
      const what =
        slot === undefined
          ? 'vacant'
          : slot.database === undefined
            ? `${slot.state} ${slot.directory}`
            : `assigned ${slot.database}`;
      return `${report.host} ${size} ${i + 1} ${what}`;
    }),
  );
}

async function readAgents(endpoints: Endpoints): Promise<SlotLines> {
  const lines: string[] = [];
  for (const { url, token } of endpoints.hosts) {
    const client = createJsonClient(token);
    try {
      lines.push(...linesOf(await client.call(`${url}/v1/state`, { timeoutMs: CALL_MS })));
    } finally {
      client.close();
    }
  }
  return new Set(lines);
}

/**
 * Compares until both agree, for 30 s at most: agents report every second.
 * @returns a line for every difference that stays.
 */
export async function findLeakedSlots(endpoints: Endpoints): Promise<readonly string[]> {
  const deadline = Date.now() + SETTLE_MS_MAX;
  for (;;) {
    const [index, agents] = [await readIndex(endpoints.hot_url), await readAgents(endpoints)];
    const different = [
      ...[...index].filter((line) => !agents.has(line)).map((line) => `index only: ${line}`),
      ...[...agents].filter((line) => !index.has(line)).map((line) => `agent only: ${line}`),
    ];
    if (different.length === 0 || Date.now() > deadline) return different;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
