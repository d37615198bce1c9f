/** The Temporal server of benches that take it away. */
import { findOrMake } from '../../dev/temporal/find.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { readManagementConfig } from '../../lib/config-management.ts';

/** Finds or makes it. @throws ConfigError with one line on why there is none. */
export async function findProgram(
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const { PILOTLIGHT_TEMPORAL_PROGRAM: given } = readManagementConfig([
    'PILOTLIGHT_TEMPORAL_PROGRAM',
  ]);
  const found = await findOrMake({ folder: '/nonexistent', given, marks: {}, say, signal });
  if ('path' in found) return found.path;
  throw new ConfigError(`there is no Temporal server to take away: ${found.why}`);
}
