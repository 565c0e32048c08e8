/**
 * What `npm run demo`, `npm run dev`, `npm test` and `npm run gatepost` start: it sees to the dependencies first, so
 * that a fresh clone needs no other command. Plain JavaScript without dependencies, because it runs before they are
 * there.
 *
 *   node scripts/run.mjs test [jest arguments]
 *   node scripts/run.mjs bench | simulate | crash-matrix | feed-picture [arguments]
 *   node scripts/run.mjs <gatepost command> [arguments]
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const MINIMUM_NODE = [20, 3];
/** From here on Node lets a module registered with `--import` load the others; before, that took `--loader`. */
const NODE_WITH_REGISTER = [20, 6];

/** What is run for developers beside the product's own command. */
const programs = {
  bench: 'bench/run.ts',
  simulate: 'test/simulation/run.ts',
  'crash-matrix': 'test/crash/run-matrix.ts',
  'feed-picture': 'test/sandbox/draw-feed.ts',
};

const root = dirname(dirname(fileURLToPath(import.meta.url)));

await main(process.argv.slice(2));

async function main(args) {
  if (!isNodeAtLeast(MINIMUM_NODE)) {
    console.error(
      `Gatepost needs Node.js ${MINIMUM_NODE.join('.')} or later; this is ${process.versions.node}.`,
    );
    process.exit(1);
  }
  await installDependencies();
  const [command, ...rest] = args;
  const exitCode =
    command === 'test'
      ? await runJest(rest)
      : command in programs
        ? await runTypeScript(programs[command], rest)
        : await runTypeScript('cli/gatepost.ts', args);
  process.exit(exitCode);
}

function isNodeAtLeast([major, minor]) {
  const [currentMajor, currentMinor] = process.versions.node.split('.').map(Number);
  return currentMajor > major || (currentMajor === major && currentMinor >= minor);
}

/** Runs `npm ci` when what is installed is not what package-lock.json says. */
async function installDependencies() {
  const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const lockHash = createHash('sha256').update(lockText).digest('hex');
  const stampPath = join(root, 'node_modules', '.gatepost-lock');
  if (readOrNull(stampPath) === lockHash) return;
  if (!isInstalled(JSON.parse(lockText))) {
    const startedAt = Date.now();
    console.error('Installing the dependencies with `npm ci` (typically 20 s)');
    // --include=dev: the tests and the demo need them, whatever NODE_ENV or npm's settings say.
    const npmArguments = ['ci', '--include=dev', '--no-audit', '--no-fund'];
    const exitCode = await runChild('npm', npmArguments, { cwd: root });
    if (exitCode !== 0) {
      console.error(`\`npm ${npmArguments.join(' ')}\` failed with exit code ${exitCode}.`);
      process.exit(exitCode);
    }
    console.error(`Installed the dependencies in ${Math.round((Date.now() - startedAt) / 1000)} s`);
  }
  writeFileSync(stampPath, lockHash);
}

/**
 * Compares with the list that npm keeps of what it installed, so that an install by hand is not repeated. Optional
 * packages of other platforms are in the lockfile only. npm writes the list last: without it, an install was interrupted.
 */
function isInstalled(lock) {
  const installedText = readOrNull(join(root, 'node_modules', '.package-lock.json'));
  if (installedText === null) return false;
  const installed = JSON.parse(installedText).packages;
  return Object.entries(lock.packages).every(([path, { version, optional, devOptional, link }]) => {
    if (path === '' || link) return true;
    if (installed[path] === undefined) return Boolean(optional || devOptional);
    return installed[path].version === version;
  });
}

function readOrNull(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

function runJest(args) {
  const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  return runChild(process.execPath, ['--experimental-vm-modules', '--no-warnings', jest, ...args], {
    cwd: root,
  });
}

/** Node itself is the child, with tsx loaded into it: a wrapper process in between would have to pass signals on. */
function runTypeScript(program, args) {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const load = isNodeAtLeast(NODE_WITH_REGISTER) ? ['--import', tsx] : ['--no-warnings', '--loader', tsx];
  return runChild(process.execPath, [...load, join(root, program), ...args], {});
}

/** Runs a child on our terminal, passes signals on, and resolves to its exit code (128 + n when a signal ended it). */
function runChild(command, args, { cwd }) {
  return new Promise((resolve, reject) => {
    // The AWS SDK tells every process about a Node version it will want one day; once is not news to who runs this.
    const env = { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };
    const child = spawn(command, args, { cwd, env, stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => {
        // A Ctrl-C in a terminal reaches the child by itself; passed on, it would count twice.
        const cameFromTerminal = signal === 'SIGINT' && process.stdin.isTTY;
        if (!cameFromTerminal) child.kill(signal);
      });
    }
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
