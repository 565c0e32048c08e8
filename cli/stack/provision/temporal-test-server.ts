import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { findOnPath, isExecutableFile, runCommand } from '../run-command.ts';
import { StackError } from '../stack-error.ts';
import type { Environment } from '../types.ts';
import { type ProvidedHow, type ProvideOptions, provideArtifact } from './artifact.ts';
import { downloadThroughSdk } from './sdk-download.ts';

/** The newest release whose jars all resolve; also the version in ../temporal-test-server/pom.xml. */
const VERSION = '1.32.0';
const EXECUTABLE = 'temporal-test-server';
const MAVEN_TIMEOUT_MS = 5 * 60_000;

/**
 * The SDK calls the server's executable with one argument, the port. The flags are for a short-lived process:
 * a small heap, and no time spent on optimising compilers.
 */
const WRAPPER = `#!/bin/sh
exec "\${JAVA_HOME:+$JAVA_HOME/bin/}java" -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \\
  -cp "$(dirname "$0")/lib/*" io.temporal.testserver.TestServer "$@"
`;

/**
 * The time-skipping test server, as an executable for `TestWorkflowEnvironment.createTimeSkipping`
 * (`{ server: { executable: { type: 'existing-path', path } } }`).
 *
 * Tried in this order: the path in TEMPORAL_TEST_SERVER, the cache, the jars from a Maven repository (seconds, needs
 * Java and Maven), the SDK's own download (needs internet).
 */
export async function provideTemporalTestServer(
  options: ProvideOptions,
): Promise<{ executablePath: string; how: ProvidedHow }> {
  const { env } = options;
  if (env.TEMPORAL_TEST_SERVER) {
    if (!isExecutableFile(env.TEMPORAL_TEST_SERVER)) {
      throw new StackError(
        'bad-setting',
        `TEMPORAL_TEST_SERVER=${env.TEMPORAL_TEST_SERVER}: no executable file`,
      );
    }
    return { executablePath: env.TEMPORAL_TEST_SERVER, how: 'environment' };
  }
  const { folder, how } = await provideArtifact({
    options,
    title: 'Temporal test server',
    key: `temporal-test-server-${VERSION}-${process.platform}-${process.arch}`,
    entry: EXECUTABLE,
    instead: 'set TEMPORAL_TEST_SERVER to the path of its executable',
    ways: [
      { how: 'maven', needs: 'Java 11 or later and Maven', fill: (target) => fetchJars(options, target) },
      {
        how: 'sdk-download',
        needs: 'internet access (temporal.download)',
        fill: (target) =>
          downloadThroughSdk(options, {
            server: 'createTimeSkipping',
            version: `v${VERSION}`,
            folder: target,
            fileName: EXECUTABLE,
            label: `Downloading the Temporal test server ${VERSION}`,
          }),
      },
    ],
  });
  if (existsSync(join(folder, 'lib')) && !hasJava(env)) {
    throw new StackError(
      'provision-failed',
      `${join(folder, EXECUTABLE)} needs Java, which is no longer installed`,
    );
  }
  return { executablePath: join(folder, EXECUTABLE), how };
}

async function fetchJars(options: ProvideOptions, folder: string): Promise<void> {
  const { env, report, signal } = options;
  const maven = findOnPath('mvn', env);
  if (maven === null) throw new Error('mvn is not installed');
  if (!hasJava(env)) throw new Error('java is not installed');
  await runCommand({
    command: maven,
    args: [
      '--batch-mode',
      '--quiet',
      'dependency:copy-dependencies',
      `-DoutputDirectory=${join(folder, 'lib')}`,
    ],
    cwd: join(packageRoot(), 'cli', 'stack', 'temporal-test-server'),
    env,
    timeoutMs: MAVEN_TIMEOUT_MS,
    progress: {
      label: `Fetching the Temporal test server ${VERSION} with Maven`,
      typicalSeconds: 10,
      report,
    },
    signal,
  });
  const wrapper = join(folder, EXECUTABLE);
  await writeFile(wrapper, WRAPPER);
  await chmod(wrapper, 0o755);
}

function hasJava(env: Environment): boolean {
  if (env.JAVA_HOME) return isExecutableFile(join(env.JAVA_HOME, 'bin', 'java'));
  return findOnPath('java', env) !== null;
}
