import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMigrationFiles, readPlannedFiles } from '../../activities/migration-files.ts';
import { MIGRATION_SQL_BYTES_MAX } from '../../model/migration.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotlight-sql-'));
});
afterEach(() => rm(folder, { recursive: true }));

const write = (name: string, content: string | Buffer) => writeFile(join(folder, name), content);

describe('the folder of a migration', () => {
  test('gives its files in the order of their numbers, with their checksums', async () => {
    await write('0010_b.sql', 'select 2');
    await write('0002_a.sql', 'select 1');
    await write('README.md', 'not SQL');
    expect(await readMigrationFiles(folder)).toEqual(
      [
        ['0002_a.sql', 'select 1'],
        ['0010_b.sql', 'select 2'],
      ].map(([name, sql = '']) => ({
        name,
        sql,
        checksum: createHash('sha256').update(sql).digest('hex'),
      })),
    );
  });

  test.each([
    ['no file', async () => undefined],
    [
      'two files of one number',
      async () => {
        await write('0001_a.sql', '');
        await write('0001_b.sql', '');
      },
    ],
    [
      'a file that is too large',
      () => write('0001_a.sql', 'x'.repeat(MIGRATION_SQL_BYTES_MAX + 1)),
    ],
    ['a file that is no text', () => write('0001_a.sql', Buffer.from([0xff, 0xfe]))],
    [
      'more files than a run takes',
      async () => {
        for (let i = 0; i < 101; i++) await write(`${String(i).padStart(4, '0')}_a.sql`, '');
      },
    ],
  ])('with %s is refused', async (_, prepare) => {
    await prepare();
    await expect(readMigrationFiles(folder)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('that is not there is refused', async () => {
    await expect(readMigrationFiles(join(folder, 'gone'))).rejects.toMatchObject({
      code: 'bad_request',
      detail: 'the folder can not be read: ENOENT',
    });
  });

  test('is refused when it is no longer what was planned', async () => {
    await write('0001_a.sql', 'select 1');
    const planned = await readMigrationFiles(folder);
    expect(await readPlannedFiles(folder, planned)).toEqual(planned);
    await write('0001_a.sql', 'select 2');
    await expect(readPlannedFiles(folder, planned)).rejects.toMatchObject({ code: 'bad_request' });
    await write('0001_a.sql', 'select 1');
    await write('0002_b.sql', 'select 1');
    await expect(readPlannedFiles(folder, planned)).rejects.toMatchObject({ code: 'bad_request' });
  });
});
