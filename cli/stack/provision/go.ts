import { dirname, join } from 'node:path';
import { findOnPath, isExecutableFile, runCommand } from '../run-command.ts';
import type { ProvideOptions } from './artifact.ts';
import { provideGo } from './go-toolchain.ts';

const GO_TIMEOUT_MS = 20 * 60_000;
const USUAL_GO_PATH = '/usr/local/go/bin/go';

/**
 * Runs the Go tool, pure Go only (no C compiler needed) and with the module versions as committed.
 * Throws StackError `command-failed`, or `provision-failed` when Go is neither installed nor to be fetched.
 */
export async function runGo(
  options: ProvideOptions,
  run: {
    args: readonly string[];
    cwd: string;
    env?: Record<string, string>;
    label: string;
    typicalSeconds: number;
  },
): Promise<void> {
  const go = await findGo(options);
  await runCommand({
    command: go.path,
    args: run.args,
    cwd: run.cwd,
    env: {
      ...options.env,
      PATH: `${dirname(go.path)}:${options.env.PATH ?? ''}`,
      CGO_ENABLED: '0',
      GOWORK: 'off',
      ...go.env,
      ...run.env,
    },
    timeoutMs: GO_TIMEOUT_MS,
    progress: { label: run.label, typicalSeconds: run.typicalSeconds, report: options.report },
    signal: options.signal,
  });
}

/** Go as installed, or else a toolchain of our own in the cache; with the settings it needs. */
export async function findGo(
  options: ProvideOptions,
  usualPath: string = USUAL_GO_PATH,
): Promise<{ path: string; env: Record<string, string> }> {
  const installed = findOnPath('go', options.env) ?? (isExecutableFile(usualPath) ? usualPath : null);
  const folders = foldersWithoutHome(options);
  if (installed !== null) return { path: installed, env: folders };
  const { goPath } = await provideGo(options);
  return { path: goPath, env: { ...folders, GOROOT: dirname(dirname(goPath)), GOTOOLCHAIN: 'local' } };
}

/** Go keeps modules and builds under the home folder, and refuses to run when there is none. */
function foldersWithoutHome({ env, cacheDir }: ProvideOptions): Record<string, string> {
  if (env.HOME) return {};
  return {
    GOPATH: env.GOPATH || join(cacheDir, 'go-path'),
    GOCACHE: env.GOCACHE || join(cacheDir, 'go-build'),
    // Modules are read-only otherwise, and the cache could not be deleted with `rm -r`.
    GOFLAGS: `${env.GOFLAGS ?? ''} -modcacherw`.trim(),
  };
}
