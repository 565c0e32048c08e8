import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataConverter } from '@temporalio/common';
import proto from '@temporalio/proto';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { searchAttributeTypes } from '../cli/search-attributes.ts';
import { startProcess } from '../cli/stack/managed-process.ts';
import { createPortChooser } from '../cli/stack/ports.ts';
import type { Stops } from './stops.ts';

const readyTimeoutMs = 60_000;

/** Starts a time-skipping server of one environment's own; time is global to it. */
export async function startTestServer(
  executablePath: string,
  dataConverter: DataConverter,
  stops: Stops,
): Promise<TestWorkflowEnvironment> {
  const port = await startServer(executablePath, stops);
  const environment = await connectSkipping(`127.0.0.1:${port}`, dataConverter);
  stops.add(() => environment.teardown());
  await addSearchAttributes(environment);
  return environment;
}

/**
 * Starts the server as a process of ours. The SDK would do that too, but gives it five seconds, which a busy machine
 * does not always have, and leaves it behind when this process ends by an uncaught error.
 */
async function startServer(executablePath: string, stops: Stops): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-test-server-'));
  stops.add(() => rm(folder, { recursive: true, force: true }));
  const port = await createPortChooser(() => {}).choose({ label: 'Temporal test server' });
  const { PATH, HOME, JAVA_HOME } = process.env;
  const server = await startProcess({
    name: 'temporal-test-server',
    command: executablePath,
    args: [String(port)],
    env: { PATH, HOME, JAVA_HOME },
    cwd: folder,
    logFile: join(folder, 'server.log'),
    ready: () => listens(port),
    readyTimeoutMs,
    // It keeps nothing that an orderly end would save, and has nothing to outlive us for.
    stopSignal: 'SIGKILL',
    ownGroup: false,
  });
  stops.add(() => server.stop());
  return port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** The SDK has a public way to start a skipping server, and one to use a server that runs, but none for both at once. */
function connectSkipping(address: string, dataConverter: DataConverter): Promise<TestWorkflowEnvironment> {
  const { create } = TestWorkflowEnvironment as unknown as {
    create(options: object): Promise<TestWorkflowEnvironment>;
  };
  return create.call(TestWorkflowEnvironment, {
    server: { type: 'existing' },
    ...{ address, client: { dataConverter }, supportsTimeSkipping: true },
  });
}

/** The time-skipping server starts without any. */
async function addSearchAttributes({ connection, namespace }: TestWorkflowEnvironment): Promise<void> {
  const types = proto.temporal.api.enums.v1.IndexedValueType;
  const typeOf = {
    Keyword: types.INDEXED_VALUE_TYPE_KEYWORD,
    KeywordList: types.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    Datetime: types.INDEXED_VALUE_TYPE_DATETIME,
  };
  const entries = Object.entries(searchAttributeTypes).map(([name, type]) => [name, typeOf[type]]);
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(entries),
  });
}
