/** Makes wrong bytes of right ones. Pure: all chance comes in. */

/** Lengths and codes at which decoders decide something. */
const NUMBERS = [
  0, 1, 3, 4, 5, 7, 8, 9, 1024, 1025, 10_000, 10_001, 30_000, 0x30000, 0x30002, 0x3ffff,
];
const BIG = [0x7fffffff, 0x80000000, 0xffffffff, 80_877_102, 80_877_103, 80_877_104];
const BYTES = [0, 1, 0x16, 0x2c, 0x3d, 0x70, 0x7f, 0x80, 0xff];
/** Of what is repeated or put in. */
const EXTRA_MAX = 2_048;

type Random = () => number;
const below = (random: Random, n: number): number => Math.floor(random() * n);

export function pick<T>(items: readonly T[], random: Random): T {
  const item = items[below(random, items.length)];
  if (item === undefined) throw new Error('BUG: nothing to pick from');
  return item;
}

export const randomBytes = (n: number, random: Random): Buffer =>
  Buffer.from(Array.from({ length: n }, () => below(random, 256)));

type Change = (bytes: Buffer, random: Random) => Buffer;

const putByte: Change = (bytes, random) => {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[below(random, copy.length)] = pick(BYTES, random);
  return copy;
};

const flipBit: Change = (bytes, random) => {
  const copy = Buffer.from(bytes);
  const at = below(random, copy.length);
  if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8));
  return copy;
};

const putNumber: Change = (bytes, random) => {
  const copy = Buffer.from(bytes);
  if (copy.length < 4) return copy;
  const near = copy.length + below(random, 5) - 2;
  copy.writeUInt32BE(
    pick([...NUMBERS, ...BIG, near], random) >>> 0,
    below(random, copy.length - 3),
  );
  return copy;
};

const cut: Change = (bytes, random) => bytes.subarray(0, below(random, bytes.length + 1));

const takeOut: Change = (bytes, random) => {
  const from = below(random, bytes.length + 1);
  const to = from + below(random, bytes.length - from + 1);
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
};

const repeat: Change = (bytes, random) => {
  const from = below(random, bytes.length + 1);
  const part = bytes.subarray(from, from + 1 + below(random, 16));
  const times = 1 + below(random, Math.max(1, Math.floor(EXTRA_MAX / Math.max(1, part.length))));
  return Buffer.concat([
    bytes.subarray(0, from),
    ...Array<Buffer>(times).fill(part),
    bytes.subarray(from),
  ]);
};

const putIn: Change = (bytes, random) => {
  const at = below(random, bytes.length + 1);
  const more = randomBytes(1 + below(random, 64), random);
  return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
};

const CHANGES = [putByte, flipBit, putNumber, cut, takeOut, repeat, putIn] as const;

/** One to four changes, or another's end. */
export function mutate(bytes: Buffer, others: readonly Buffer[], random: Random): Buffer {
  if (random() < 0.1) {
    const other = pick(others, random);
    return Buffer.concat([
      bytes.subarray(0, below(random, bytes.length + 1)),
      other.subarray(below(random, other.length + 1)),
    ]);
  }
  let made = bytes;
  for (let n = 1 + below(random, 4); n > 0; n--) made = pick(CHANGES, random)(made, random);
  return made;
}
