import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type ArtifactRequest, provideArtifact, type Way } from '../../../cli/stack/provision/artifact.ts';
import { provisionAll } from '../../../cli/stack/provision/index.ts';
import { provideTemporalCli } from '../../../cli/stack/provision/temporal-cli.ts';
import { unzip } from '../../../cli/stack/provision/unzip.ts';
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

test('asking for nothing sets up nothing', async () => {
  expect(
    await provisionAll({ cacheDir: join(folder, 'cache'), report: () => undefined, env: {}, only: [] }),
  ).toEqual({});
  expect(existsSync(join(folder, 'cache'))).toBe(false);
});

describe('unpacking', () => {
  /** A zip of one deflated file, written by hand so that a name can be one that no archiver would write. */
  function makeArchive(name: string, content: string): Buffer {
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
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(1, 10);
    end.writeUInt32LE(local.length + nameBytes.length + packed.length, 16);
    return Buffer.concat([local, nameBytes, packed, entry, nameBytes, end]);
  }

  test('writes the content, and keeps it executable', async () => {
    const archivePath = join(folder, 'archive.zip');
    await writeFile(archivePath, makeArchive('bin/tool', 'program'));
    await unzip({ archivePath, folder: join(folder, 'out'), select: () => true });
    expect(await readFile(join(folder, 'out', 'bin', 'tool'), 'utf8')).toBe('program');
    const { stat } = await import('node:fs/promises');
    expect((await stat(join(folder, 'out', 'bin', 'tool'))).mode & 0o777).toBe(0o755);
  });

  test('refuses a name that leads out of the folder', async () => {
    const archivePath = join(folder, 'archive.zip');
    await writeFile(archivePath, makeArchive('../escaped', 'program'));
    await expect(unzip({ archivePath, folder: join(folder, 'out'), select: () => true })).rejects.toThrow(
      'outside',
    );
    expect(existsSync(join(folder, 'escaped'))).toBe(false);
  });
});
