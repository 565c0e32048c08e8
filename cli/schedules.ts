import { Client, Connection, ScheduleOverlapPolicy } from '@temporalio/client';
import type { SweepTokensInput } from '../activities/contract.ts';
import { platforms } from '../domain/post.ts';
import { tokenSchedules } from '../domain/tokens.ts';
import { cleanUpScheduleId, mainTaskQueue, maintenanceScheduleId } from '../workflows/ids.ts';
import type { WorkerConfig } from './config.ts';
import { type Logger, serverAddress } from './wiring.ts';

export interface WantedSchedule {
  readonly scheduleId: string;
  readonly workflowType: string;
  readonly args: readonly SweepTokensInput[];
  readonly everySeconds: number;
  /** How long after its time a look that was missed is still made up for. */
  readonly catchUpSeconds: number;
}

/** Everything that happens by the clock alone. */
export const wantedSchedules = (maintenanceEverySeconds: number): readonly WantedSchedule[] => [
  // These look at everything there is: what was missed need not be made up for.
  {
    ...{ scheduleId: maintenanceScheduleId, workflowType: 'maintenanceWorkflow', args: [] },
    ...{ everySeconds: maintenanceEverySeconds, catchUpSeconds: 60 },
  },
  {
    ...{ scheduleId: cleanUpScheduleId, workflowType: 'cleanUpConnectionsWorkflow', args: [] },
    ...{ everySeconds: 3_600, catchUpSeconds: 60 },
  },
  ...tokenSchedules(platforms).map(({ id, platforms: of, everySeconds, aheadSeconds }) => ({
    ...{ scheduleId: id, workflowType: 'tokenSweepWorkflow', args: [{ platforms: of, aheadSeconds }] },
    // A weekly look that fell into an outage does not wait for another week.
    ...{ everySeconds, catchUpSeconds: Math.min(everySeconds, 86_400) },
  })),
];

/**
 * Makes the schedules that are not there. Idempotent; existing ones are kept as operators set them, but for the platforms
 * that a sweep is for: a release may bring new ones.
 */
export async function ensureSchedules(config: WorkerConfig, logger: Logger): Promise<void> {
  const connection = await Connection.connect(serverAddress(config));
  try {
    const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
    for (const wanted of wantedSchedules(config.GATEPOST_MAINTENANCE_EVERY_SECONDS))
      await ensureSchedule(client, wanted, logger);
  } finally {
    await connection.close();
  }
}

async function ensureSchedule(client: Client, wanted: WantedSchedule, logger: Logger): Promise<void> {
  const { scheduleId, workflowType, args, everySeconds, catchUpSeconds } = wanted;
  const action = { type: 'startWorkflow', workflowType, taskQueue: mainTaskQueue, args: [...args] } as const;
  try {
    await client.schedule.create({
      scheduleId,
      spec: { intervals: [{ every: everySeconds * 1000 }] },
      action,
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: catchUpSeconds * 1000 },
    });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ScheduleAlreadyRunning') throw error;
    logger.debug({ scheduleId }, 'the schedule exists');
    if (args.length === 0) return;
    await client.schedule
      .getHandle(scheduleId)
      .update((current) => ({ ...current, action: { ...current.action, args: [...args] } }));
  }
}
