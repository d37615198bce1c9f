import { describe, expect, it } from '@jest/globals';
import { BLOCK_BYTES, decodeRecords, encodeRecord, type RunRecord } from '../../host/run-record.ts';

const record = (sequence: number, epoch: number): RunRecord => ({
  sequence,
  epoch,
  host: 'host-1',
  boot: 3,
  machine: 'c0ffee',
  released: false,
});

const file = (first: Buffer, second: Buffer): Buffer => Buffer.concat([first, second]);
const EMPTY = Buffer.alloc(BLOCK_BYTES);

describe('the two records of a run file', () => {
  it('hold what was written, whichever block is newer', () => {
    const [older, newer] = [record(4, 7), record(5, 8)];
    expect(decodeRecords(file(encodeRecord(older), encodeRecord(newer)))).toEqual(newer);
    expect(decodeRecords(file(encodeRecord(newer), encodeRecord(older)))).toEqual(newer);
    expect(decodeRecords(file(encodeRecord(older), EMPTY))).toEqual(older);
  });

  it('fall back to the older one when the newer is torn, at whatever byte', () => {
    const [older, newer] = [encodeRecord(record(4, 7)), encodeRecord(record(5, 8))];
    const { length } = newer.subarray(0, newer.lastIndexOf('}') + 1);
    for (let at = 0; at < length; at++) {
      const torn = Buffer.concat([newer.subarray(0, at), older.subarray(at)]);
      // Two records of one directory share most of their bytes: the tear may have lost nothing.
      const epoch = torn.equals(newer) ? 8 : 7;
      expect(decodeRecords(file(encodeRecord(record(4, 7)), torn))?.epoch).toBe(epoch);
    }
  });

  it('say nothing when both are damaged, and never a made-up epoch', () => {
    const damaged = encodeRecord(record(5, 8));
    damaged[20] = (damaged[20] ?? 0) ^ 1;
    expect(decodeRecords(file(damaged, EMPTY))).toBeUndefined();
    expect(decodeRecords(Buffer.alloc(0))).toBeUndefined();
    expect(decodeRecords(Buffer.alloc(2 * BLOCK_BYTES, 0xff))).toBeUndefined();
  });

  it('do not exceed their blocks', () => {
    expect(encodeRecord(record(1, 1))).toHaveLength(BLOCK_BYTES);
    expect(() => encodeRecord({ ...record(1, 1), host: 'x'.repeat(BLOCK_BYTES) })).toThrow(/BUG/);
  });
});
