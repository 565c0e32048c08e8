import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GetObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Connection, Client as TemporalClient } from '@temporalio/client';
import { Client } from 'pg';
import { type Stack, type StackOptions, type StackPart, startStack } from '../../../cli/stack/index.ts';
import { packageRoot } from '../../../cli/stack/package-root.ts';
import { findStartMark } from '../../../cli/stack/process-identity.ts';
import { makeTemporaryFolder, removeFolder } from './fixtures/temporary-folder.ts';

const cacheDir = join(packageRoot(), '.cache');
const allParts: readonly StackPart[] = ['temporal', 'postgres', 's3'];

let stateDir: string;
let lines: string[];
let stacks: Stack[];

beforeEach(async () => {
  stateDir = await makeTemporaryFolder();
  lines = [];
  stacks = [];
});

afterEach(async () => {
  for (const stack of stacks) await stack.stop();
  await removeFolder(stateDir);
});

async function start(only: readonly StackPart[], more: Partial<StackOptions> = {}): Promise<Stack> {
  const stack = await startStack({
    stateDir,
    cacheDir,
    report: (line) => lines.push(line),
    env: { PATH: process.env.PATH, JAVA_HOME: process.env.JAVA_HOME, HOME: process.env.HOME },
    postgres: { durable: false },
    temporal: { headless: true },
    without: allParts.filter((part) => !only.includes(part)),
    ...more,
  });
  stacks.push(stack);
  return stack;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

function connectS3(stack: Stack, secretAccessKey = stack.s3.secretAccessKey): S3Client {
  const { endpoint, region, accessKeyId } = stack.s3;
  return new S3Client({
    ...{ endpoint, region, forcePathStyle: true, maxAttempts: 1 },
    credentials: { accessKeyId, secretAccessKey },
  });
}

async function readRecords(): Promise<{ name: string; processId: number; startMark: string }[]> {
  const folder = join(stateDir, 'processes');
  const texts = await Promise.all(
    (await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')),
  );
  return texts.map((text) => JSON.parse(text));
}

describe('the whole stack', () => {
  test('serves all three and keeps their state over a restart, and stop leaves nothing running', async () => {
    const first = await start(allParts, {
      temporal: { headless: true, searchAttributes: { TenantId: 'Keyword' } },
      s3: { buckets: ['media', 'exports'] },
    });
    await query(first.postgres.superuserUrl, 'create table kept (id int)');
    await connectS3(first).send(new PutObjectCommand({ Bucket: 'media', Key: 'a/b', Body: 'bytes' }));
    await startWaitingWorkflow(first);
    const records = await readRecords();
    expect(records.map(({ name }) => name).sort()).toEqual(['postgres', 's3', 'temporal']);

    await first.stop();
    for (const record of records) expect(await findStartMark(record.processId)).not.toBe(record.startMark);
    expect(await readdir(join(stateDir, 'processes'))).toEqual([]);
    expect(existsSync(join(stateDir, 'owner.json'))).toBe(false);

    const second = await start(allParts, {
      temporal: { headless: true, searchAttributes: { TenantId: 'Keyword', AddedLater: 'KeywordList' } },
      s3: { buckets: ['media', 'exports'] },
    });
    expect(await query(second.postgres.superuserUrl, 'select count(*)::int as n from kept')).toEqual([
      { n: 0 },
    ]);
    const object = await connectS3(second).send(new GetObjectCommand({ Bucket: 'media', Key: 'a/b' }));
    expect(await object.Body?.transformToString()).toBe('bytes');
    expect(await describeWaitingWorkflow(second)).toEqual({
      status: 'RUNNING',
      attributes: ['AddedLater', 'TenantId'],
    });
  });

  test('keeps what it generates as a secret from other users', async () => {
    await start(['postgres', 's3']);
    const { stat } = await import('node:fs/promises');
    const folder = join(stateDir, 'credentials');
    for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o077).toBe(0);
    expect((await readdir(folder)).sort()).toEqual([
      'postgres-superuser-password',
      's3-access-key-id',
      's3-secret-access-key',
    ]);
  });
});

async function startWaitingWorkflow(stack: Stack): Promise<void> {
  const connection = await Connection.connect({ address: stack.temporal.address });
  const client = new TemporalClient({ connection, namespace: stack.temporal.namespace });
  await client.workflow.start('waiting', { workflowId: 'kept', taskQueue: 'nobody-polls' });
  await connection.close();
}

async function describeWaitingWorkflow(stack: Stack): Promise<{ status: string; attributes: string[] }> {
  const connection = await Connection.connect({ address: stack.temporal.address });
  const { namespace } = stack.temporal;
  const { status } = await new TemporalClient({ connection, namespace }).workflow
    .getHandle('kept')
    .describe();
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  await connection.close();
  const attributes = ['AddedLater', 'TenantId'].filter((name) => name in (customAttributes ?? {}));
  return { status: status.name, attributes };
}

describe('one server', () => {
  test('S3 refuses a request signed with another key', async () => {
    const stack = await start(['s3']);
    await expect(connectS3(stack, 'not-the-secret').send(new ListBucketsCommand({}))).rejects.toMatchObject({
      name: 'SignatureDoesNotMatch',
    });
    const { Buckets } = await connectS3(stack).send(new ListBucketsCommand({}));
    expect(Buckets?.map(({ Name }) => Name)).toEqual(['gatepost']);
  });

  test('PostgreSQL has vectors, and refuses a wrong password', async () => {
    const { superuserUrl } = (await start(['postgres'])).postgres;
    await query(superuserUrl, 'create extension vector');
    expect(await query(superuserUrl, `select '[1,2]'::vector <-> '[1,4]'::vector as distance`)).toEqual([
      { distance: 2 },
    ]);
    const wrong = new URL(superuserUrl);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'select 1')).rejects.toMatchObject({ code: '28P01' });
  });

  test('a busy port is avoided and reported', async () => {
    const occupier = createServer().listen(0, '127.0.0.1');
    await once(occupier, 'listening');
    const { port: busyPort } = occupier.address() as { port: number };
    const { postgres } = await start(['postgres'], { ports: { postgres: busyPort } });
    occupier.close();
    expect(postgres.port).not.toBe(busyPort);
    expect(lines).toContain(`PostgreSQL: port ${busyPort} is busy, using ${postgres.port}`);
  });

  test('a server that ends by itself is told, one that we stop is not', async () => {
    const stack = await start(['s3']);
    const [record] = await readRecords();
    process.kill(record!.processId, 'SIGKILL');
    expect(await stack.failed).toMatch(/^s3 ended by itself; its log is /);
  });

  test('a server of the environment is used and not stopped', async () => {
    const first = await start(['postgres']);
    const otherStateDir = join(stateDir, 'other');
    const second = await start(['postgres'], {
      stateDir: otherStateDir,
      env: { DATABASE_URL: first.postgres.superuserUrl },
    });
    expect(second.postgres.port).toBe(first.postgres.port);
    await second.stop();
    expect(await query(first.postgres.superuserUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(lines.join('\n')).not.toContain(new URL(first.postgres.superuserUrl).password);
  });
});

describe('state that an earlier run left', () => {
  test('two stacks on one state directory are refused', async () => {
    await start(['postgres']);
    await expect(start(['postgres'])).rejects.toMatchObject({ code: 'state-in-use' });
  });

  test('the servers of a run that was killed are stopped by the next', async () => {
    const script = fileURLToPath(new URL('./fixtures/start-and-wait.ts', import.meta.url));
    const killed = spawn(process.execPath, ['--import', 'tsx', script, stateDir, cacheDir], {
      cwd: packageRoot(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(killed.stdout, 'data');
    const [left] = await readRecords();
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    expect(await findStartMark(left!.processId)).toBe(left!.startMark);

    const stack = await start(['postgres']);
    expect(lines).toContain(
      `postgres: stopping process ${left!.processId}, left over from a run that was killed`,
    );
    expect(await findStartMark(left!.processId)).toBeNull();
    expect(await query(stack.postgres.superuserUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('a lock of PostgreSQL whose process id belongs to another program by now is removed', async () => {
    await (await start(['postgres'])).stop();
    await writeFile(join(stateDir, 'postgres', 'data', 'postmaster.pid'), `${process.pid}\n`);
    await start(['postgres']);
    expect(lines).toContain(`postgres: removing the lock of process ${process.pid}, which no longer runs`);
  });

  test('an interrupted creation of the database is done again', async () => {
    await mkdir(join(stateDir, 'postgres', 'data.partial'), { recursive: true });
    await writeFile(join(stateDir, 'postgres', 'data.partial', 'PG_VERSION'), '18\n');
    const stack = await start(['postgres']);
    expect(await query(stack.postgres.superuserUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('data of another major version is left as it is, and refused', async () => {
    await mkdir(join(stateDir, 'postgres', 'data'), { recursive: true });
    await writeFile(join(stateDir, 'postgres', 'data', 'PG_VERSION'), '15\n');
    await expect(start(['postgres'])).rejects.toMatchObject({
      code: 'state-unusable',
      message: expect.stringContaining('was made by PostgreSQL 15'),
    });
  });

  test('a folder closed to other users is no obstacle for PostgreSQL', async () => {
    const closed = join(stateDir, 'closed');
    await mkdir(closed);
    await chmod(closed, 0o700);
    const stack = await start(['postgres'], { stateDir: join(closed, 'state') });
    expect(await query(stack.postgres.superuserUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
    await stack.stop();
  });
});
