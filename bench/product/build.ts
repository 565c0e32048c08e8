import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundleWorkflowCode } from '@temporalio/worker';

const run = promisify(execFile);

export const rootFolder = fileURLToPath(new URL('../../', import.meta.url));
/** Where compiled code of the bench lies, beside the product's. */
const compiledFolder = join(rootFolder, 'dist', 'bench');

/** The product's command, compiled. */
export const gatepostPath = join(rootFolder, 'dist', 'cli', 'gatepost.js');
export const workflowBundlePath = join(rootFolder, 'dist', 'workflow-bundle.js');
export const floorBundlePath = join(compiledFolder, 'floor-bundle.js');
export const compiledPath = (file: string): string => join(compiledFolder, file);

/** Compiles what is measured, as it runs in production, and the floors beside it. */
export async function build(): Promise<void> {
  await run(process.execPath, [join(rootFolder, 'scripts', 'build.mjs')], { cwd: rootFolder });
  const compiler = join(rootFolder, 'node_modules', 'typescript', 'bin', 'tsc');
  await run(process.execPath, [compiler, '-p', join(rootFolder, 'bench', 'tsconfig.json')], {
    cwd: rootFolder,
  });
  const silent = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
  const { code } = await bundleWorkflowCode({
    workflowsPath: compiledPath('floors/workflows.js'),
    logger: silent,
  });
  await writeFile(floorBundlePath, code);
}
