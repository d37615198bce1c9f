/**
 * The run record of a directory: which epoch was minted last, by which host, and whether that run
 * has been released. One preallocated file of two blocks that are written in turn, each with a
 * checksum: a write that a crash tears leaves the other block, and no write changes the file's
 * size, so that one fdatasync makes an epoch durable. The highest valid sequence holds.
 * Written only under the directory's lock.
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { isMissing } from '../lib/errno.ts';
import { syncFolder } from '../lib/files.ts';

export interface RunRecord {
  readonly sequence: number;
  /** The last one minted; 0 = none yet. */
  readonly epoch: number;
  readonly host: string;
  readonly boot: number;
  /** The machine's boot id: /proc/sys/kernel/random/boot_id. */
  readonly machine: string;
  /** Nothing of that run is left. */
  readonly released: boolean;
}

/** The unit that a disk writes whole, or tears: a page. */
export const BLOCK_BYTES = 4096;
const FILE_BYTES = 2 * BLOCK_BYTES;
const MAGIC = 0x504c5255;
const HEAD_BYTES = 12;

/** A block: magic, crc32 of the text, its length, the record as JSON, zeros. */
export function encodeRecord(record: RunRecord): Buffer {
  const text = Buffer.from(JSON.stringify(record), 'utf8');
  if (text.length > BLOCK_BYTES - HEAD_BYTES) throw new Error('BUG: run record exceeds its block');
  const block = Buffer.alloc(BLOCK_BYTES);
  block.writeUInt32BE(MAGIC, 0);
  block.writeUInt32BE(crc32(text), 4);
  block.writeUInt32BE(text.length, 8);
  text.copy(block, HEAD_BYTES);
  return block;
}

function decodeBlock(block: Buffer): RunRecord | undefined {
  if (block.length < HEAD_BYTES || block.readUInt32BE(0) !== MAGIC) return undefined;
  const length = block.readUInt32BE(8);
  if (length > block.length - HEAD_BYTES) return undefined;
  const text = block.subarray(HEAD_BYTES, HEAD_BYTES + length);
  if (crc32(text) !== block.readUInt32BE(4)) return undefined;
  return JSON.parse(text.toString('utf8')) as RunRecord;
}

/** The newest whole record of a file's bytes; undefined if both blocks are damaged. */
export function decodeRecords(bytes: Buffer): RunRecord | undefined {
  const first = decodeBlock(bytes.subarray(0, BLOCK_BYTES));
  const second = decodeBlock(bytes.subarray(BLOCK_BYTES, FILE_BYTES));
  if (first === undefined || second === undefined) return first ?? second;
  return first.sequence > second.sequence ? first : second;
}

/** A write takes what a full volume has room for, and reports an error only when that is nothing. */
async function writeWhole(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

/** Makes the file, whole and durable. */
export async function createRunFile(
  path: string,
  record: Omit<RunRecord, 'sequence'>,
): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await writeWhole(file, Buffer.alloc(FILE_BYTES), 0);
    await writeWhole(file, encodeRecord({ ...record, sequence: 0 }), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await syncFolder(dirname(path));
}

/** The run file, opened once for the reading and writing of one start. */
export interface RunFile {
  readonly read: () => Promise<RunRecord | undefined>;
  /** Durable when it resolves. @param last what `read` answered under the same lock. */
  readonly write: (last: RunRecord, next: Omit<RunRecord, 'sequence'>) => Promise<RunRecord>;
  readonly close: () => Promise<void>;
}

function runFileOf(file: FileHandle): RunFile {
  return {
    async read() {
      const bytes = Buffer.alloc(FILE_BYTES);
      const { bytesRead } = await file.read(bytes, 0, FILE_BYTES, 0);
      return decodeRecords(bytes.subarray(0, bytesRead));
    },
    async write(last, next) {
      const record = { ...next, sequence: last.sequence + 1 };
      const at = (record.sequence % 2) * BLOCK_BYTES;
      await writeWhole(file, encodeRecord(record), at);
      return record;
    },
    close: () => file.close(),
  };
}

/** @returns undefined if there is no such file. */
export async function openRunFile(path: string): Promise<RunFile | undefined> {
  try {
    // O_DSYNC: a write is durable when it returns, in one call instead of two.
    return runFileOf(await open(path, constants.O_RDWR | constants.O_DSYNC));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Reads the record without a lock: a hint of what was true a moment ago. */
export async function peekRunRecord(path: string): Promise<RunRecord | undefined> {
  const file = await openRunFile(path);
  if (file === undefined) return undefined;
  try {
    return await file.read();
  } finally {
    await file.close();
  }
}
