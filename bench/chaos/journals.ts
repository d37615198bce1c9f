/** Reads what the hosts have noted, from the volume. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { listSegments, parseSegment } from '../../host/segments.ts';
import type { AgentEvent } from '../../model/wire.ts';

/** All events of all hosts. @param volume without symbolic links. */
export async function readJournals(volume: string): Promise<readonly AgentEvent[]> {
  const events: AgentEvent[] = [];
  for (const host of await readdir(join(volume, 'hosts'))) {
    const folder = join(volume, 'hosts', host, 'journal');
    for (const name of await listSegments(folder))
      events.push(...parseSegment(await readFile(join(folder, name), 'utf8')));
  }
  return events;
}
