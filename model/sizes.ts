/**
 * Sizes: a database's and a slot's class of memory and connections, and what Postgres is told for it.
 */
export interface Size {
  /** Shared buffers, MiB. */
  readonly sharedBuffersMib: number;
  readonly workMemMib: number;
  /** All of its directory but WAL, MiB: above it is read-only until it has been made smaller. */
  readonly storageMib: number;
  /** Connections of the tenant; the agent has `superuser_reserved_connections` of its own. */
  readonly connections: number;
}

export const SIZES = {
  small: { storageMib: 10_240, sharedBuffersMib: 16, workMemMib: 4, connections: 40 },
  medium: { storageMib: 102_400, sharedBuffersMib: 128, workMemMib: 8, connections: 100 },
} as const satisfies Record<string, Size>;

export type SizeName = keyof typeof SIZES;

export function isSizeName(value: unknown): value is SizeName {
  return typeof value === 'string' && Object.hasOwn(SIZES, value);
}
