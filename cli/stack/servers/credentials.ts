import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../stack-error.ts';

/**
 * A generated secret that stays the same over restarts, in a file of the state directory that only we may read.
 * Written under a temporary name first: a half-written secret would lock us out of what it protects.
 */
export async function keepSecret(stateDir: string, name: string, byteCount = 24): Promise<string> {
  const folder = join(stateDir, 'credentials');
  const path = join(folder, name);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o700);
  const secret = randomBytes(byteCount).toString('hex');
  await writeFile(`${path}.partial`, secret, { mode: 0o600 });
  await rename(`${path}.partial`, path);
  return secret;
}
