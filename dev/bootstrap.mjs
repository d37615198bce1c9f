/**
 * Runs before every npm script: installs what package-lock.json names if node_modules does not hold
 * it, and compiles the sources into dist/ if they have changed. Uses nothing but Node, since on a
 * fresh clone there is nothing else; says nothing on standard output, which belongs to the script.
 * When nothing is to do it takes about 60 ms.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
const DIST = join(ROOT, 'dist');
const INSTALLED = join(MODULES, '.pilotlight-installed');
const BUILT = join(DIST, '.built-from');
/** `engines` of package.json. */
const NODE_MIN = [20, 19];

const say = (text) => process.stderr.write(`pilotlight: ${text}\n`);

function fail(text) {
  say(text);
  process.exit(1);
}

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const readText = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
const sha256 = (parts) => parts.reduce((h, part) => h.update(part), createHash('sha256'));

function checkMachine() {
  if (process.platform !== 'linux') fail(`runs on Linux only, and this is ${process.platform}`);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1]))
    fail(`needs Node ${NODE_MIN.join('.')} or newer, and this is ${process.versions.node}`);
}

/* ---- install ------------------------------------------------------------------------------------ */

function lockHash() {
  return sha256([readFileSync(join(ROOT, 'package-lock.json'))]).digest('hex');
}

function directDependencies() {
  const { dependencies = {}, devDependencies = {} } = readJson(join(ROOT, 'package.json'));
  return [...Object.keys(dependencies), ...Object.keys(devDependencies)];
}

/** An optional package is wanted if it is meant for this machine; of libc variants either will do. */
function isWanted(entry) {
  if (entry.libc !== undefined || entry.extraneous) return false;
  if (!entry.optional && !entry.devOptional) return true;
  const { os, cpu } = entry;
  return (
    os !== undefined &&
    cpu !== undefined &&
    os.includes(process.platform) &&
    cpu.includes(process.arch)
  );
}

/** True if npm's own record of node_modules has everything that the lock file wants. */
function holdsLockFile() {
  const record = join(MODULES, '.package-lock.json');
  if (!existsSync(record)) return false;
  const have = readJson(record).packages;
  const want = readJson(join(ROOT, 'package-lock.json')).packages;
  return Object.entries(want).every(
    ([path, entry]) => path === '' || !isWanted(entry) || have[path]?.version === entry.version,
  );
}

function isInstalled() {
  if (!directDependencies().every((name) => existsSync(join(MODULES, name, 'package.json'))))
    return false;
  if (readText(INSTALLED) === lockHash()) return true;
  // A plain `npm install` came first: look once, and remember.
  if (!holdsLockFile()) return false;
  writeFileSync(INSTALLED, lockHash());
  return true;
}

/** Where npm's output goes: kept for later, or to the person who waits. */
function npm(args, output) {
  const flags = ['--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  // The level is said again because `npm run -s` would silence the errors of this npm, too.
  const run = spawnSync('npm', [...args, ...flags, '--loglevel=error'], {
    cwd: ROOT,
    stdio: ['ignore', output, output],
    encoding: 'utf8',
  });
  if (run.error) fail(`npm can not be run (${run.error.message})`);
  return run;
}

/** npm's own reason, less its page of usage. */
function reasonOf(stderr) {
  const lines = stderr.split('\n').filter((line) => /^npm error (?!code)\S/.test(line));
  return (lines[0] ?? 'no reason given').replace('npm error ', '');
}

/**
 * npm ci refuses a lock file that lacks packages for other platforms, which is what npm writes where
 * the registry serves only this one's.
 */
function isLockWhole() {
  const { packages } = readJson(join(ROOT, 'package-lock.json'));
  return Object.entries(packages).every(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).every(
      (name) =>
        packages[`node_modules/${name}`] !== undefined ||
        packages[`${path}/node_modules/${name}`] !== undefined,
    ),
  );
}

function installExactly() {
  say('installing packages (npm ci)');
  const ci = npm(['ci'], 'pipe');
  if (ci.status !== 0) say(`npm ci would not: ${reasonOf(ci.stderr)}`);
  return ci.status === 0;
}

function install() {
  if (isInstalled()) return;
  const began = Date.now();
  if (!isLockWhole() || !installExactly()) {
    say('installing packages (npm install)');
    // Not saved: a clone stays as it was cloned.
    const plain = npm(['install', '--no-save'], 2);
    if (plain.status !== 0) fail('the packages can not be installed; npm says why above');
  }
  writeFileSync(INSTALLED, lockHash());
  say(`installed in ${((Date.now() - began) / 1000).toFixed(1)} s`);
}

/* ---- build -------------------------------------------------------------------------------------- */

function filesBelow(folder, ending) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** The folders of tsconfig.json that are compiled; tests are not, jest reads them as they are. */
function sourceFolders() {
  return readJson(join(ROOT, 'tsconfig.json')).include.filter((folder) => folder !== 'test');
}

/** Changes with every source, compiler option and version of a package. */
function sourcesHash() {
  const configs = ['tsconfig.json', 'tsconfig.build.json'].map((name) => join(ROOT, name));
  const sources = sourceFolders().flatMap((folder) => filesBelow(join(ROOT, folder), '.ts'));
  const lines = [...configs, ...sources].map((path) => {
    const { mtimeMs, size } = statSync(path);
    return `${relative(ROOT, path)} ${mtimeMs} ${size}\n`;
  });
  const order = (a, b) => (a < b ? -1 : 1);
  return sha256([lockHash(), ...lines.sort(order)]).digest('hex');
}

const isBuilt = () => readText(BUILT) === sourcesHash();

/** A file whose source is gone must not be found by an import that should fail. */
function removeStaleOutputs() {
  for (const path of filesBelow(DIST, '.js')) {
    const source = join(ROOT, relative(DIST, path).replace(/\.js$/, '.ts'));
    if (existsSync(source)) continue;
    rmSync(path);
    rmSync(`${path}.map`, { force: true });
  }
}

function build() {
  if (isBuilt()) return;
  say('compiling');
  const hash = sourcesHash();
  rmSync(BUILT, { force: true });
  // The incremental record names what was written once; without the files it would be a lie.
  if (filesBelow(DIST, '.js').length === 0) rmSync(join(DIST, '.tsbuildinfo'), { force: true });
  removeStaleOutputs();
  const tsc = join(MODULES, 'typescript', 'bin', 'tsc');
  const run = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
  });
  if (run.status !== 0) fail('the sources do not compile; the compiler says why above');
  writeFileSync(BUILT, hash);
}

/* ---- one at a time ------------------------------------------------------------------------------ */

/**
 * Waits until no other command installs or builds here. The lock belongs to the open file, so that
 * the kernel frees it however this process ends. Without flock(1) there is no lock: `npm start`
 * says that it is missing.
 */
function lock() {
  mkdirSync(DIST, { recursive: true });
  const fd = openSync(join(DIST, '.lock'), 'w');
  const stdio = ['ignore', 'ignore', 'ignore', fd];
  if (spawnSync('flock', ['-n', '3'], { stdio }).status === 1) {
    say('waiting for another command that installs or compiles here');
    spawnSync('flock', ['3'], { stdio });
  }
  return fd;
}

function main() {
  checkMachine();
  if (isInstalled() && isBuilt()) return;
  const fd = lock();
  install();
  build();
  closeSync(fd);
}

main();
