import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import { failureConverterPath } from './failure-converter.ts';

/** Sources run as they are under `tsx` and jest, and compiled from `dist/`. */
const sourceExtension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const rootFolder = fileURLToPath(new URL('../', import.meta.url));
const workflowsPath = join(rootFolder, `workflows/index${sourceExtension}`);

/** Bundles the workflow code into one file, as the worker and the replayer load it. */
export async function buildWorkflowBundle(): Promise<string> {
  const silent = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
  const { code } = await bundleWorkflowCode({ workflowsPath, failureConverterPath, logger: silent });
  return code;
}

/**
 * The path of an up-to-date bundle: built when the sources have changed, kept under `cacheDir` otherwise. The file is
 * named by what it is made from and renamed into place, so an interrupted build is never used.
 */
export async function provideWorkflowBundle(cacheDir: string): Promise<string> {
  const path = join(cacheDir, `workflow-bundle-${await sourceHash()}.js`);
  if (existsSync(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, await buildWorkflowBundle());
  await rename(temporary, path);
  return path;
}

async function sourceHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of ['workflows', 'domain']) {
    const found = await readdir(join(rootFolder, folder), { recursive: true });
    const files = found.filter((name) => extname(name) !== '').sort();
    for (const file of files) hash.update(file).update(await readFile(join(rootFolder, folder, file)));
  }
  hash.update(await readFile(fileURLToPath(import.meta.resolve('@temporalio/workflow'))));
  return hash.digest('hex').slice(0, 16);
}
