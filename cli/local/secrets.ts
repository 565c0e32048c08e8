import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const schema = z.object({
  migratorPassword: z.string(),
  apiPassword: z.string(),
  workerPassword: z.string(),
  keys: z.string(),
  jwtSecret: z.string(),
  localSuperAdmin: z.string(),
});
/** What the local stack made up for itself when it first ran; kept so that its data can be read after a restart. */
export type LocalSecrets = z.infer<typeof schema>;

/** Reads the local stack's secrets, or makes them at the first start. Readable by their owner alone. */
export async function localSecrets(stateDir: string): Promise<LocalSecrets> {
  const file = join(stateDir, 'secrets.json');
  const known = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (known !== null) return schema.parse(JSON.parse(known));
  const password = () => randomBytes(24).toString('base64url');
  const secrets: LocalSecrets = {
    migratorPassword: password(),
    apiPassword: password(),
    workerPassword: password(),
    keys: `local:${randomBytes(32).toString('base64')}`,
    jwtSecret: password() + password(),
    localSuperAdmin: randomUUID(),
  };
  await mkdir(stateDir, { recursive: true });
  await writeFile(`${file}.tmp`, JSON.stringify(secrets, null, 2), { mode: 0o600 });
  await rename(`${file}.tmp`, file);
  return secrets;
}
