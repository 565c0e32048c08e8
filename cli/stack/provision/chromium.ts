import { realpath, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { findOnPath, isExecutableFile, runCommand } from '../run-command.ts';
import { messageOf, StackError } from '../stack-error.ts';
import type { Environment } from '../types.ts';
import { type ProvidedHow, type ProvideOptions, provideArtifact } from './artifact.ts';

/** What the browser is called where it is installed; the first is Debian's package as well. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const ENTRY = 'chromium';
const UPDATE_TIMEOUT_MS = 2 * 60_000;
const INSTALL_TIMEOUT_MS = 8 * 60_000;
/** apt-get works alone: this long it waits for another that runs. */
const APT_LOCK_SECONDS = 120;

/**
 * Chromium, for the tests of pages that people see.
 *
 * Tried in this order: the path in CHROMIUM, `chromium` or Chrome on the PATH, Debian's package by `apt-get` (half a
 * minute, needs root and a package mirror). The package stays installed; the cache only remembers where it is.
 * Throws StackError `bad-setting` if CHROMIUM is no browser, `provision-failed` if no way works.
 */
export async function provideChromium(
  options: ProvideOptions,
  { userId = process.getuid?.() }: { userId?: number | undefined } = {},
): Promise<{ executablePath: string; how: ProvidedHow }> {
  const { env, report } = options;
  if (env.CHROMIUM) {
    const problem = await findProblem(env.CHROMIUM, env);
    if (problem !== null) throw new StackError('bad-setting', `CHROMIUM=${env.CHROMIUM}: ${problem}`);
    return { executablePath: env.CHROMIUM, how: 'environment' };
  }
  const onPath = await findBrowser(env, report);
  if (onPath !== null) return { executablePath: onPath, how: 'path' };
  const { folder, how } = await provideArtifact({
    options,
    title: 'Chromium',
    key: `chromium-apt-${process.platform}-${process.arch}`,
    entry: ENTRY,
    instead: 'put `chromium` or `google-chrome` on the PATH, or set CHROMIUM to the path of one',
    ways: [
      {
        how: 'apt-get',
        needs: 'root on Debian and a package mirror; by hand it is `apt-get install chromium`',
        fill: (target) => install(options, userId, target),
      },
    ],
  });
  return { executablePath: await realpath(join(folder, ENTRY)), how };
}

async function install(options: ProvideOptions, userId: number | undefined, folder: string): Promise<void> {
  const { env, report, signal } = options;
  const aptGet = findOnPath('apt-get', env);
  if (aptGet === null) throw new Error('there is no apt-get');
  if (userId !== 0) throw new Error('we are not root');
  const run = (command: string, args: string[], timeoutMs: number, label: string, typicalSeconds: number) =>
    runCommand({
      command: aptGet,
      args: [command, '-o', `DPkg::Lock::Timeout=${APT_LOCK_SECONDS}`, '--quiet', ...args],
      cwd: packageRoot(),
      env: { ...env, DEBIAN_FRONTEND: 'noninteractive' },
      timeoutMs,
      progress: { label, typicalSeconds, report },
      signal,
    });
  try {
    await run('update', [], UPDATE_TIMEOUT_MS, 'Reading the package lists with apt-get', 3);
  } catch (error) {
    signal?.throwIfAborted();
    // One list of many that cannot be had is no reason not to ask: the installation says what it lacks.
    report(`Chromium: the package lists are not up to date: ${messageOf(error)}`);
  }
  await run(
    'install',
    ['--yes', '--no-install-recommends', NAMES[0]!],
    INSTALL_TIMEOUT_MS,
    'Installing Chromium with apt-get',
    30,
  );
  const installed = await findBrowser(env, report);
  if (installed === null) throw new Error(`it installed no ${NAMES[0]} on the PATH`);
  await symlink(installed, join(folder, ENTRY));
}

async function findBrowser(env: Environment, report: ProvideOptions['report']): Promise<string | null> {
  for (const name of NAMES) {
    const path = findOnPath(name, env);
    if (path === null) continue;
    const problem = await findProblem(path, env);
    if (problem === null) return path;
    report(`Chromium: ${path} is not used: ${problem}`);
  }
  return null;
}

/** Why this is not Chromium or Chrome (some systems have a program of that name that asks for another), or null. */
async function findProblem(path: string, env: Environment): Promise<string | null> {
  if (!isExecutableFile(path)) return 'there is no executable file';
  try {
    const version = await runCommand({
      ...{ command: path, args: ['--version'], cwd: packageRoot(), env, timeoutMs: 20_000 },
    });
    return /^(Chromium|Google Chrome)\b.*\d/m.test(version) ? null : 'it does not say that it is Chromium';
  } catch (error) {
    return messageOf(error);
  }
}
