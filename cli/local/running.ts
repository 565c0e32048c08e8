import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const schema = z.object({
  processId: z.number(),
  apiUrl: z.string(),
  sandboxUrl: z.string(),
  workerDatabaseUrl: z.string(),
  keys: z.string(),
});
/** Where the running local stack is, for other commands of the same checkout. Holds secrets: readable by its owner. */
export type Running = z.infer<typeof schema>;

const fileIn = (stateDir: string) => join(stateDir, 'running.json');

export const writeRunning = (stateDir: string, running: Running): Promise<void> =>
  writeFile(fileIn(stateDir), JSON.stringify(running, null, 2), { mode: 0o600 });

export const removeRunning = (stateDir: string): Promise<void> => rm(fileIn(stateDir), { force: true });

/** `null` when no local stack runs, also when one was killed and left its note behind. */
export async function readRunning(stateDir: string): Promise<Running | null> {
  const text = await readFile(fileIn(stateDir), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const running = schema.parse(JSON.parse(text));
  return isAlive(running.processId) ? running : null;
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}
