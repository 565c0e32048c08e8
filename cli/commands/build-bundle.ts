import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { buildWorkflowBundle } from '../workflow-bundle.ts';

export async function buildBundle(file: string): Promise<void> {
  const code = await buildWorkflowBundle();
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, code);
  process.stdout.write(`${file}: ${(code.length / 1024).toFixed(0)} KiB\n`);
}
