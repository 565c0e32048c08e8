import { join } from 'node:path';
import { type ProvidedHow, type ProvideOptions, provideArtifact } from './artifact.ts';
import { runGo } from './go.ts';

const VERSION = '1.8.0';
const EXECUTABLE = 'versitygw';

/**
 * versitygw, an S3 gateway over a plain folder, which stands in for an object store.
 * Tried in this order: the cache, `go install` into the cache (about a minute, needs a module proxy, and Go or a
 * package index to fetch it from).
 */
export async function provideVersitygw(
  options: ProvideOptions,
): Promise<{ executablePath: string; how: ProvidedHow }> {
  const { folder, how } = await provideArtifact({
    options,
    title: 'versitygw (S3)',
    key: `versitygw-${VERSION}-${process.platform}-${process.arch}`,
    entry: EXECUTABLE,
    instead:
      'set S3_ENDPOINT, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY of an object store that runs already',
    ways: [
      {
        how: 'go-build',
        needs: 'Go, or a package index (pypi.org) to fetch it from, and a Go module proxy',
        fill: (target) => install(options, target),
      },
    ],
  });
  return { executablePath: join(folder, EXECUTABLE), how };
}

async function install(options: ProvideOptions, folder: string): Promise<void> {
  await runGo(options, {
    args: [
      'install',
      '-trimpath',
      '-ldflags',
      '-s -w',
      `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`,
    ],
    cwd: folder,
    env: { GOBIN: folder },
    label: `Building versitygw ${VERSION} with Go`,
    typicalSeconds: 65,
  });
}
