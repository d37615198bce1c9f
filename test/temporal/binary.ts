/** The Temporal program of the tests, and what is done without one. */
import { describe } from '@jest/globals';
import { findTestBinary, isRequired } from './find.ts';

const found = await findTestBinary();

/** The program; '' only where its tests are skipped. */
export const TEMPORAL = 'path' in found ? found.path : '';

/** Without a server, unless one is required: then what needs it fails. */
export const isSkipped = TEMPORAL === '' && !isRequired();

export const describeTemporal = isSkipped ? describe.skip : describe;
