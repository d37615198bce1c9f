/** The Temporal program of the tests, found as `npm start` finds it. */
import { findBinary, type Found } from '../../dev/temporal/find.ts';
import { readManagementConfig } from '../../lib/config-management.ts';

/** Without a state file any version will do. */
export const NO_STATE = '/nonexistent';

export const findTestBinary = (): Promise<Found> =>
  findBinary(
    NO_STATE,
    readManagementConfig(['PILOTLIGHT_TEMPORAL_PROGRAM']).PILOTLIGHT_TEMPORAL_PROGRAM,
  );

export const isRequired = (): boolean =>
  readManagementConfig(['PILOTLIGHT_REQUIRE_TEMPORAL']).PILOTLIGHT_REQUIRE_TEMPORAL === '1';
