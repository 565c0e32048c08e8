import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failpointOf } from '../../../cli/processes/failpoint.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatepost-failpoint-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('without a setting there is nothing to pass', () => {
  expect(failpointOf(undefined)).toBeUndefined();
  expect(failpointOf('')).toBeUndefined();
});

test.each(['nowhere', 'sending:0', 'sending:twice', 'park', 'park:'])('refuses %j', (setting) => {
  expect(() => failpointOf(setting)).toThrow('GATEPOST_FAILPOINT names no place');
});

test('kills the process when it passes the place for the given time, and not before', async () => {
  const killed: unknown[] = [];
  const kill = process.kill;
  process.kill = (...given) => {
    killed.push(given);
    return true;
  };
  try {
    const pass = failpointOf('armed:2')!;
    await pass('sending', 'a');
    await pass('armed', 'a');
    expect(killed).toEqual([]);
    await pass('armed', 'b');
    expect(killed).toEqual([[process.pid, 'SIGKILL']]);
  } finally {
    process.kill = kill;
  }
});

test('parks the named post at its place until all may go on, and lets the others pass', async () => {
  await writeFile(join(folder, 'a'), 'sending');
  const pass = failpointOf(`park:${folder}`)!;
  await pass('sending', 'b');
  await pass('armed', 'a');
  let gone = false;
  const parked = pass('sending', 'a').then(() => {
    gone = true;
  });
  while (!existsSync(join(folder, 'a.parked'))) await sleep(5);
  await sleep(60);
  expect(gone).toBe(false);
  await writeFile(join(folder, 'go'), '');
  await parked;
  expect(gone).toBe(true);
  await pass('sending', 'a');
});
