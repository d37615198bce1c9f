/** psycopg over the libpq that it ships, in a virtual environment that is made and removed. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { downloadEnvironment } from '../../lib/environment.ts';
import { PACKAGE_ROOT } from '../../lib/root.ts';
import type { Absent, Driver, Outcomes } from './driver.ts';

/** Fixed, so that two runs compare the same. */
const PACKAGE = 'psycopg[binary]==3.3.9';
const CASES = join(PACKAGE_ROOT, 'bench/drivers/psycopg_cases.py');

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function python(program: string, args: readonly string[], input = ''): Promise<Said> {
  return new Promise((resolve) => {
    const child = spawn(program, [...args], { env: downloadEnvironment({ PYTHONUTF8: '1' }) });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.once('error', (error) => resolve({ code: 127, out, err: error.message }));
    child.once('close', (code) => resolve({ code, out, err }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

const lastLine = ({ err }: Said): string => err.trim().split('\n').at(-1) ?? '';

/** @param folder a temporary one, which the caller removes. */
export async function makePsycopg(folder: string): Promise<Driver | Absent> {
  const name = 'psycopg';
  const made = await python('python3', ['-m', 'venv', folder]);
  if (made.code !== 0) return { name, absent: `no virtual environment: ${lastLine(made)}` };
  const own = join(folder, 'bin/python');
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', PACKAGE];
  const installed = await python(own, pip);
  if (installed.code !== 0)
    return { name, absent: `it can not be installed: ${lastLine(installed)}` };
  return {
    name: PACKAGE,
    async run(target) {
      const ran = await python(own, [CASES], JSON.stringify(target));
      if (ran.code !== 0) throw new Error(`${CASES} failed: ${ran.err}`);
      return (JSON.parse(ran.out) as { outcomes: Outcomes }).outcomes;
    },
  };
}
