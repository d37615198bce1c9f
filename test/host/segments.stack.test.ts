import { expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { segmentName, tidySegments } from '../../host/segments.ts';
import { JOURNAL_KEEP_MS } from '../../model/limits.ts';

it('a segment is kept for 48 h after its acknowledgement, and the one being written always', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pl-segments-'));
  const now = Date.now();
  const [old, next, last] = [
    segmentName({ boot: 1, seq: 1 }),
    segmentName({ boot: 1, seq: 11 }),
    segmentName({ boot: 2, seq: 1 }),
  ];
  for (const name of [old, next, last]) await writeFile(join(folder, name), '');
  const left = async (held: { boot: number; seq: number }, at: number): Promise<string[]> => {
    await tidySegments(folder, held, at);
    return (await readdir(folder)).sort();
  };
  expect(await left({ boot: 1, seq: 9 }, now)).toEqual([old, next, last]);
  const marked = [old, `${old}.acked`, next, last];
  expect(await left({ boot: 1, seq: 10 }, now)).toEqual(marked);
  expect(await left({ boot: 1, seq: 10 }, now + JOURNAL_KEEP_MS - 60_000)).toEqual(marked);
  // Another hot database holds less: then the 48 h begin anew with its acknowledgement.
  expect(await left({ boot: 0, seq: 0 }, now)).toEqual([old, next, last]);
  await left({ boot: 1, seq: 10 }, now);
  const then = new Date(now - JOURNAL_KEEP_MS - 60_000);
  await utimes(join(folder, `${old}.acked`), then, then);
  expect(await left({ boot: 1, seq: 10 }, now)).toEqual([next, last]);
  await rm(folder, { recursive: true });
});
