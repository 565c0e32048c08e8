import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** An append-only file of JSON lines. A resolved `append` is on the disk. */
export interface Journal<T> {
  append(record: T): Promise<void>;
  /** Resolves when everything appended so far is on the disk. */
  settled(): Promise<void>;
  /** Empties the file. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  line: string;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Opens a journal and returns what it holds. A torn last line (the writer was killed in the middle of it, so nobody
 * was told that it is there) is cut off; a broken line anywhere else throws, because that is damage and not a kill.
 */
export async function openJournal<T>(path: string): Promise<{ journal: Journal<T>; records: T[] }> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a+', 0o600);
  const { records, intactBytes, size } = parseLines<T>(path, await readAll(file));
  if (intactBytes < size) await file.truncate(intactBytes);
  await file.sync();
  await syncDirectory(dirname(path));
  return { journal: createJournal<T>(file, intactBytes), records };
}

/** Writers that wait at the same time share one write and one fsync, so a burst costs few of them. */
function createJournal<T>(file: FileHandle, startBytes: number): Journal<T> {
  let durableBytes = startBytes;
  let waiting: Waiting[] = [];
  let tail: Promise<void> = Promise.resolve();

  /** Runs after everything queued before; a failure stays with its caller. */
  function enqueue(work: () => Promise<void>): Promise<void> {
    const done = tail.then(work);
    tail = done.catch(() => undefined);
    return done;
  }

  async function flush(): Promise<void> {
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    const bytes = Buffer.from(batch.map(({ line }) => line).join(''));
    try {
      await file.appendFile(bytes);
      await file.datasync();
      durableBytes += bytes.length;
    } catch (error) {
      // Half a batch must not stay in the middle of the file once later writes succeed.
      await file.truncate(durableBytes).catch(() => undefined);
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const { resolve } of batch) resolve();
  }

  return {
    append(record) {
      const appended = new Promise<void>((resolve, reject) => {
        waiting.push({ line: `${JSON.stringify(record)}\n`, resolve, reject });
      });
      void enqueue(flush);
      return appended;
    },
    settled: () => enqueue(flush),
    reset: () =>
      enqueue(async () => {
        await flush();
        await file.truncate(0);
        await file.sync();
        durableBytes = 0;
      }),
    close: () =>
      enqueue(async () => {
        await flush();
        await file.close();
      }),
  };
}

async function readAll(file: FileHandle): Promise<Buffer> {
  const { size } = await file.stat();
  const bytes = Buffer.alloc(size);
  let offset = 0;
  while (offset < size) {
    const { bytesRead } = await file.read(bytes, offset, size - offset, offset);
    if (bytesRead === 0) break;
    offset += bytesRead;
  }
  return bytes.subarray(0, offset);
}

function parseLines<T>(path: string, bytes: Buffer): { records: T[]; intactBytes: number; size: number } {
  const records: T[] = [];
  let start = 0;
  for (let line = 1; start < bytes.length; line += 1) {
    const end = bytes.indexOf(0x0a, start);
    if (end === -1) break;
    try {
      records.push(JSON.parse(bytes.toString('utf8', start, end)) as T);
    } catch (error) {
      if (end === bytes.length - 1) break;
      throw new Error(`${path}, line ${line}, is not JSON`, { cause: error });
    }
    start = end + 1;
  }
  return { records, intactBytes: start, size: bytes.length };
}

/** A new file survives a crash only if its directory entry does. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
