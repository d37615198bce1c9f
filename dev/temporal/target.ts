/** Which server and which program the commands of `npm run temporal` are for. */
import { readManagementConfig } from '../../lib/config-management.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { readEndpoints } from '../endpoints.ts';
import { homePaths } from '../home.ts';
import { portsFrom } from '../ports.ts';
import { findBinary } from './find.ts';

export interface Target {
  readonly program: string;
  readonly address: string;
}

/**
 * The running stack's, else what the settings say.
 * @throws ConfigError where there is no program.
 */
export async function resolveTarget(): Promise<Target> {
  const config = readManagementConfig([
    'PILOTLIGHT_HOME',
    'PILOTLIGHT_PORT_BASE',
    'PILOTLIGHT_TEMPORAL_ADDRESS',
    'PILOTLIGHT_TEMPORAL_PROGRAM',
    'TEMPORAL_ADDRESS',
  ]);
  const endpoints = await readEndpoints(config.PILOTLIGHT_HOME);
  const running = endpoints?.management ?? undefined;
  const given = config.PILOTLIGHT_TEMPORAL_ADDRESS || config.TEMPORAL_ADDRESS;
  const port = portsFrom(config.PILOTLIGHT_PORT_BASE, { hosts: 0 }).temporal;
  const address = running?.address ?? (given === '' ? `127.0.0.1:${port}` : given);
  if (running?.program) return { program: running.program, address };
  const folder = `${homePaths(config.PILOTLIGHT_HOME).home}/temporal`;
  const found = await findBinary(folder, config.PILOTLIGHT_TEMPORAL_PROGRAM);
  if ('path' in found) return { program: found.path, address };
  throw new ConfigError(`there is no Temporal program (${found.why}); npm start gets one`);
}
