/**
 * One process of the storm: `node dist/bench/isolation/storm-main.js cpu|fsync <folder>|sql <url>`. It
 * goes on until it is killed, and says a word once it is at work.
 */
import { closeSync, fsyncSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '../../db/client.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { runMain } from '../../lib/shutdown.ts';

/** A WAL file's worth of pages at a time. */
const BLOCK = Buffer.alloc(64 * 1024, 1);
const SPIN = 1e7;
/** Rows in one insert, and inserts until the table is emptied. */
const ROWS = 2_000;
const INSERTS = 50;

const raging = (): void => void process.stdout.write('raging\n');

function cpu(): void {
  raging();
  for (let n = 0; ; n = (n + 1) % SPIN) Math.sqrt(n);
}

/** A new file each time: its name, its length and its blocks go through the file system's journal. */
function fsync(folder: string): void {
  const path = join(folder, `storm-${process.pid}`);
  for (let n = 0; ; n++) {
    const file = openSync(path, 'w');
    writeSync(file, BLOCK);
    fsyncSync(file);
    closeSync(file);
    unlinkSync(path);
    if (n === 0) raging();
  }
}

/** Writes that are committed durably, and a sort that keeps a backend busy. */
async function sql(url: string): Promise<void> {
  const client = await connect(url);
  await client.query('create table if not exists storm (n bigint, text text)');
  for (let n = 0; ; n++) {
    await client.query(
      `insert into storm select i, md5(i::text) from generate_series(1, ${ROWS}) i`,
    );
    await client.query(
      'select count(*) from (select md5(i::text) m from generate_series(1, 50000) i order by m) s',
    );
    if (n % INSERTS === INSERTS - 1) await client.query('truncate storm');
    if (n === 0) raging();
  }
}

runMain('storm', async () => {
  const [kind, where = ''] = process.argv.slice(2);
  if (kind === 'cpu') cpu();
  else if (kind === 'fsync') fsync(where);
  else if (kind === 'sql') await sql(where);
  else throw new ConfigError('usage: storm-main.js cpu|fsync <folder>|sql <url>');
});
