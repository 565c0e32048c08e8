import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  type ManagedProcess,
  type ProcessOptions,
  startProcess,
} from '../../../cli/stack/managed-process.ts';
import { findStartMark } from '../../../cli/stack/process-identity.ts';
import { stopLeftOverProcesses } from '../../../cli/stack/process-records.ts';
import { makeTemporaryFolder, removeFolder } from './fixtures/temporary-folder.ts';

let folder: string;
let started: ManagedProcess[];

beforeEach(async () => {
  folder = await makeTemporaryFolder();
  started = [];
});

afterEach(async () => {
  for (const managed of started) await managed.stop();
  await removeFolder(folder);
});

/** Starts a script in Node; it is ready when it has made the file `ready`. */
async function startScript(script: string, more: Partial<ProcessOptions> = {}): Promise<ManagedProcess> {
  const managed = await startProcess({
    name: 'script',
    command: process.execPath,
    args: ['-e', script],
    env: {},
    cwd: folder,
    logFile: join(folder, 'logs', 'script.log'),
    ready: async () => existsSync(join(folder, 'ready')),
    readyTimeoutMs: 10_000,
    ...more,
  });
  started.push(managed);
  return managed;
}

const SAY_READY = `require('node:fs').writeFileSync('ready', ''); setInterval(() => {}, 1000);`;

test('a process that ends before it is ready is reported with its last words', async () => {
  await expect(startScript(`console.error('the port is taken'); process.exit(3)`)).rejects.toMatchObject({
    code: 'process-exited',
    message: expect.stringMatching(
      /^script ended with exit code 3 before it was ready[\s\S]*the port is taken$/,
    ),
  });
});

test('a process that is never ready is stopped, and the last problem is named', async () => {
  const attempt = startScript(`console.log(process.pid); setInterval(() => {}, 1000);`, {
    readyTimeoutMs: 600,
    ready: () => Promise.reject(new Error('connection refused')),
  });
  await expect(attempt).rejects.toMatchObject({
    code: 'process-not-ready',
    message: expect.stringContaining('connection refused'),
  });
  const processId = Number(await readFile(join(folder, 'logs', 'script.log'), 'utf8'));
  expect(await findStartMark(processId)).toBeNull();
});

test('a program that does not exist is reported by name', async () => {
  await expect(startScript('', { command: '/nowhere/program' })).rejects.toMatchObject({
    code: 'process-exited',
    message: expect.stringContaining('/nowhere/program'),
  });
});

test('a process that ignores the polite signal is killed after the bound', async () => {
  const managed = await startScript(`process.on('SIGTERM', () => {}); ${SAY_READY}`, { stopTimeoutMs: 300 });
  await managed.stop();
  expect(await managed.exited).toEqual({ code: null, signal: 'SIGKILL' });
  expect(managed.isRunning()).toBe(false);
});

test('the log of the run before is kept', async () => {
  await (await startScript(`console.log('first'); ${SAY_READY}`)).stop();
  await startScript(`console.log('second'); ${SAY_READY}`);
  expect(await readFile(join(folder, 'logs', 'script.log.previous'), 'utf8')).toBe('first\n');
});

test('a recorded id that belongs to another program by now is left alone', async () => {
  const bystander = await startScript(SAY_READY);
  const record = { name: 'postgres', processId: bystander.processId, startMark: 'another boot/1' };
  await mkdir(join(folder, 'processes'), { recursive: true });
  await writeFile(join(folder, 'processes', 'postgres.json'), JSON.stringify(record));
  const lines: string[] = [];
  await stopLeftOverProcesses(folder, (line) => lines.push(line));
  expect(lines).toEqual([]);
  expect(bystander.isRunning()).toBe(true);
  expect(existsSync(join(folder, 'processes', 'postgres.json'))).toBe(false);
});
