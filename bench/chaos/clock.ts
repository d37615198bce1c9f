/** Wall clocks of single processes, by libfaketime where Debian's package is installed. */
import { existsSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../../lib/files.ts';

/** Where Debian's package `libfaketime` puts it. */
const LIBRARIES = ['x86_64', 'aarch64'].map(
  (machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`,
);

export interface Clocks {
  /** Variables of each process that may be told another time. */
  readonly own: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Within a second: the library looks at its file that often. */
  readonly set: (name: string, seconds: number) => Promise<void>;
}

/** @returns undefined if the library is not installed. */
export async function provideClocks(
  folder: string,
  names: readonly string[],
): Promise<Clocks | undefined> {
  const library = LIBRARIES.find((path) => existsSync(path));
  if (library === undefined) return undefined;
  await mkdir(folder, { recursive: true });
  // Proxies read them as another user.
  await chmod(folder, 0o711);
  const fileOf = (name: string): string => join(folder, name);
  const set = (name: string, seconds: number): Promise<void> =>
    replaceFile(fileOf(name), `${seconds < 0 ? '' : '+'}${seconds}\n`, 0o644);
  await Promise.all(names.map((name) => set(name, 0)));
  const variables = (name: string): Readonly<Record<string, string>> => ({
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: fileOf(name),
    FAKETIME_CACHE_DURATION: '1',
    // The clock that time-outs go by is nobody's to set.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  });
  return { own: Object.fromEntries(names.map((name) => [name, variables(name)])), set };
}
