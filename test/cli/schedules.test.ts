import { Client, Connection } from '@temporalio/client';
import { pino } from 'pino';
import type { WorkerConfig } from '../../cli/config.ts';
import { ensureSchedules, wantedSchedules } from '../../cli/schedules.ts';
import { testEndpoints } from '../support/endpoints.ts';
import { registerNamespace } from '../support/namespace.ts';

const { temporalAddress } = testEndpoints();
let connection: Connection;
let client: Client;
let config: WorkerConfig;

beforeAll(async () => {
  const namespace = await registerNamespace(temporalAddress);
  connection = await Connection.connect({ address: temporalAddress });
  client = new Client({ connection, namespace });
  config = {
    ...{ TEMPORAL_ADDRESS: temporalAddress, TEMPORAL_NAMESPACE: namespace },
    GATEPOST_MAINTENANCE_EVERY_SECONDS: 3_600,
  } as WorkerConfig;
});
afterAll(async () => {
  for (const { scheduleId } of wantedSchedules(3_600))
    await client.schedule
      .getHandle(scheduleId)
      .delete()
      .catch(() => {});
  await connection.close();
});

const ensure = () => ensureSchedules(config, pino({ level: 'silent' }) as never);

test('every schedule has a name of its own', () => {
  const ids = wantedSchedules(60).map(({ scheduleId }) => scheduleId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(
    expect.arrayContaining(['gatepost-maintenance', 'gatepost-connections', 'gatepost-tokens-linkedin']),
  );
});

test('makes the schedules once, and leaves to operators what they have changed of them', async () => {
  await ensure();
  const handle = client.schedule.getHandle('gatepost-tokens-linkedin');
  expect((await handle.describe()).spec.intervals).toMatchObject([{ every: 7 * 86_400_000 }]);
  await handle.update((current) => ({ ...current, spec: { intervals: [{ every: '1 day' }] } }));
  await handle.pause('Looking into something');
  await ensure();
  const { spec, state, action } = await handle.describe();
  expect(spec.intervals).toMatchObject([{ every: 86_400_000 }]);
  expect([state.paused, state.note]).toEqual([true, 'Looking into something']);
  expect(action).toMatchObject({
    ...{ workflowType: 'tokenSweepWorkflow', taskQueue: 'gatepost' },
    args: [{ platforms: ['linkedin'], aheadSeconds: 86_400 }],
  });
});
