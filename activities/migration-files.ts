/** The folder of a migration: its files in order, with their checksums. */
import { createHash } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { MIGRATION_FILES_MAX, type MigrationFile } from '../model/cold/migrations.ts';
import { AppError } from '../model/errors.ts';
import { MIGRATION_SQL_BYTES_MAX, isMigrationName } from '../model/migration.ts';

export interface MigrationText extends MigrationFile {
  readonly sql: string;
}

const bad = (detail: string): AppError => new AppError('bad_request', { detail });

async function readText(folder: string, name: string): Promise<MigrationText> {
  const path = join(folder, name);
  const { size } = await stat(path);
  if (size > MIGRATION_SQL_BYTES_MAX)
    throw bad(`${name} has more than ${MIGRATION_SQL_BYTES_MAX} bytes`);
  const bytes = await readFile(path);
  const sql = bytes.toString('utf8');
  // What is not UTF-8 would be sent as something else than what was checked.
  if (!Buffer.from(sql).equals(bytes)) throw bad(`${name} is not UTF-8`);
  return { name, checksum: createHash('sha256').update(bytes).digest('hex'), sql };
}

/**
 * Reads `<nnnn>_<name>.sql` files in the order of their numbers; other files are left alone.
 * @throws AppError `bad_request` without a folder or such files, for two of one number, or for one
 * that is too large.
 */
export async function readMigrationFiles(folder: string): Promise<readonly MigrationText[]> {
  try {
    const names = (await readdir(folder)).filter(isMigrationName).sort();
    if (names.length === 0) throw bad('the folder has no file <nnnn>_<name>.sql');
    if (names.length > MIGRATION_FILES_MAX) throw bad(`more than ${MIGRATION_FILES_MAX} files`);
    const numbers = new Set(names.map((name) => name.slice(0, 4)));
    if (numbers.size < names.length) throw bad('two files have the same number');
    return await Promise.all(names.map((name) => readText(folder, name)));
  } catch (error) {
    const errno = errnoOf(error);
    if (error instanceof AppError || errno === undefined) throw error;
    throw new AppError('bad_request', { detail: `the folder can not be read: ${errno}` });
  }
}

/**
 * Reads the files of a plan again.
 * @throws AppError `bad_request` if one is not what was planned: a worker of another release, or a
 * file that was changed under way.
 */
export async function readPlannedFiles(
  folder: string,
  planned: readonly MigrationFile[],
): Promise<readonly MigrationText[]> {
  const texts = await readMigrationFiles(folder);
  const shown = (files: readonly MigrationFile[]): string =>
    files.map(({ name, checksum }) => `${name} ${checksum}`).join('\n');
  if (shown(texts) !== shown(planned))
    throw bad('the files in the folder are not those that were planned');
  return texts;
}
