import { dirname } from 'node:path';
import { findOnPath, isExecutableFile, runCommand } from '../run-command.ts';
import type { ProvideOptions } from './artifact.ts';

const GO_TIMEOUT_MS = 20 * 60_000;
const USUAL_GO_PATH = '/usr/local/go/bin/go';

/**
 * Runs the Go tool, pure Go only (no C compiler needed) and with the module versions as committed.
 * Throws StackError `command-failed`, or an Error when Go is not installed.
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
  const go = findOnPath('go', options.env) ?? (isExecutableFile(USUAL_GO_PATH) ? USUAL_GO_PATH : null);
  if (go === null) throw new Error('go is not installed');
  await runCommand({
    command: go,
    args: run.args,
    cwd: run.cwd,
    env: {
      ...options.env,
      PATH: `${dirname(go)}:${options.env.PATH}`,
      CGO_ENABLED: '0',
      GOWORK: 'off',
      ...run.env,
    },
    timeoutMs: GO_TIMEOUT_MS,
    progress: { label: run.label, typicalSeconds: run.typicalSeconds, report: options.report },
    signal: options.signal,
  });
}
