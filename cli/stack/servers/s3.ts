import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, HeadBucketCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { type ManagedProcess, startProcess } from '../managed-process.ts';
import type { Environment } from '../types.ts';
import { keepSecret } from './credentials.ts';

const HOST = '127.0.0.1';
const REGION = 'us-east-1';
const READY_TIMEOUT_MS = 30_000;

export interface S3Access {
  /** Base URL; buckets are addressed by path. */
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

export interface S3ServerOptions {
  stateDir: string;
  executablePath: string;
  port: number;
  /** Made if they are missing. */
  buckets: readonly string[];
  env: Environment;
  signal?: AbortSignal | undefined;
}

export interface S3Server extends ManagedProcess, S3Access {}

/** Starts versitygw over a folder of the state directory, with root keys that are generated once and kept there. */
export async function startS3Server(options: S3ServerOptions): Promise<S3Server> {
  const { stateDir, port } = options;
  const folder = join(stateDir, 's3');
  const [objects, metadata] = [join(folder, 'objects'), join(folder, 'metadata')];
  await mkdir(objects, { recursive: true });
  await mkdir(metadata, { recursive: true });
  const access: S3Access = {
    endpoint: `http://${HOST}:${port}`,
    region: REGION,
    accessKeyId: await keepSecret(stateDir, 's3-access-key-id', 10),
    secretAccessKey: await keepSecret(stateDir, 's3-secret-access-key'),
  };
  const managed = await startProcess({
    name: 's3',
    command: options.executablePath,
    // Metadata goes to a folder beside the objects: extended attributes are missing on many a file system.
    args: [
      '--port',
      `${HOST}:${port}`,
      '--region',
      REGION,
      '--quiet',
      'posix',
      '--sidecar',
      metadata,
      objects,
    ],
    // Keys by environment, not by argument, which every user of the machine could read.
    env: {
      PATH: options.env.PATH,
      ROOT_ACCESS_KEY: access.accessKeyId,
      ROOT_SECRET_KEY: access.secretAccessKey,
    },
    cwd: folder,
    logFile: join(stateDir, 'logs', 's3.log'),
    ready: () => answersList(access),
    readyTimeoutMs: READY_TIMEOUT_MS,
    stateDir,
    signal: options.signal,
  });
  try {
    await ensureBuckets(access, options.buckets);
  } catch (error) {
    await managed.stop();
    throw error;
  }
  return { ...managed, ...access };
}

/** Makes the buckets that are missing; may run twice. */
export async function ensureBuckets(access: S3Access, buckets: readonly string[]): Promise<void> {
  const client = createClient(access);
  try {
    for (const bucket of buckets) {
      if (!(await hasBucket(client, bucket))) await client.send(new CreateBucketCommand({ Bucket: bucket }));
    }
  } finally {
    client.destroy();
  }
}

async function hasBucket(client: S3Client, bucket: string): Promise<boolean> {
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
    return true;
  } catch (error) {
    // A HEAD has no body, so the SDK names the error by its status alone.
    if (error instanceof Error && error.name === 'NotFound') return false;
    throw error;
  }
}

async function answersList(access: S3Access): Promise<boolean> {
  const client = createClient(access);
  try {
    await client.send(new ListBucketsCommand({}));
    return true;
  } finally {
    client.destroy();
  }
}

function createClient(access: S3Access): S3Client {
  return new S3Client({
    endpoint: access.endpoint,
    region: access.region,
    credentials: { accessKeyId: access.accessKeyId, secretAccessKey: access.secretAccessKey },
    forcePathStyle: true,
    maxAttempts: 1,
  });
}
