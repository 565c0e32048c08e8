import { chmod, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { runCommand } from '../run-command.ts';
import type { ProvideOptions } from './artifact.ts';

const DOWNLOAD_HOST = 'temporal.download';
const PROBE_TIMEOUT_MS = 3_000;
const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;

/** The method of TestWorkflowEnvironment that downloads the server we want, and starts it once. */
export type SdkServer = 'createLocal' | 'createTimeSkipping';

/**
 * Lets the Temporal SDK download a server of a pinned version into a folder, under the file name given.
 *
 * The SDK has no call that only downloads, and its download cannot be cancelled: it runs in a process of its own
 * that starts the server once and ends. The host is probed first, so that a machine without internet loses no more
 * than three seconds.
 */
export async function downloadThroughSdk(
  options: ProvideOptions,
  download: { server: SdkServer; version: string; folder: string; fileName: string; label: string },
): Promise<void> {
  const usesProxy = options.env.HTTPS_PROXY ?? options.env.https_proxy;
  if (usesProxy === undefined) await probeHost();
  const downloads = join(download.folder, 'download');
  await mkdir(downloads);
  const script = `
    import { TestWorkflowEnvironment } from '@temporalio/testing';
    const [downloadDir, version] = process.argv.slice(1);
    const executable = { type: 'cached-download', downloadDir, version };
    const environment = await TestWorkflowEnvironment.${download.server}({ server: { executable } });
    await environment.teardown();`;
  await runCommand({
    command: process.execPath,
    args: ['--input-type=module', '-e', script, downloads, download.version],
    cwd: packageRoot(),
    env: options.env,
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
    progress: { label: download.label, typicalSeconds: 20, report: options.report },
    signal: options.signal,
  });
  const [downloaded, ...others] = await readdir(downloads);
  if (downloaded === undefined || others.length > 0) {
    throw new Error(
      `the SDK left ${others.length + Number(downloaded !== undefined)} files where one was expected`,
    );
  }
  const executable = join(download.folder, download.fileName);
  await rename(join(downloads, downloaded), executable);
  await chmod(executable, 0o755);
  await rm(downloads, { recursive: true });
}

function probeHost(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: DOWNLOAD_HOST, port: 443 });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`${DOWNLOAD_HOST} gave no answer in ${PROBE_TIMEOUT_MS / 1000} s`));
    }, PROBE_TIMEOUT_MS);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.destroy();
      resolve();
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`${DOWNLOAD_HOST} cannot be reached: ${error.message}`));
    });
  });
}
