/**
 * Who is connected to which Postgres, without asking Postgres: /proc/net/unix lists every socket
 * with the path it was bound to, and a connection's server side carries its listener's path from
 * the moment of the connect. Works by network namespace, so PID namespaces do not matter.
 */
import { readFile } from 'node:fs/promises';

/** __SO_ACCEPTCON of include/uapi/linux/net.h: the socket listens. */
const LISTENS = 0x10000;

/** Connections per socket path. Pure. */
export function countConnections(table: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of table.split('\n')) {
    // Num RefCount Protocol Flags Type St Inode Path
    const at = line.indexOf('/');
    if (at < 0) continue;
    const flags = Number.parseInt(line.split(/\s+/, 4)[3] ?? '0', 16);
    if ((flags & LISTENS) !== 0) continue;
    const path = line.slice(at);
    counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return counts;
}

export async function readConnections(): Promise<Map<string, number>> {
  return countConnections(await readFile('/proc/net/unix', 'latin1'));
}
