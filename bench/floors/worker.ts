import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createFloorActivities } from './activities.ts';
import type { FloorSinks } from './workflows.ts';

/** A worker of the bare workflows, in a process of its own. Says `ready`, and how many workflows it has begun. */
const { ADDRESS, NAMESPACE, BUNDLE, MAX_CACHED } = process.env;

Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
let started = 0;
const countStart = (): void => {
  started += 1;
};
const connection = await NativeConnection.connect({ address: ADDRESS });
const worker = await Worker.create({
  connection,
  namespace: NAMESPACE!,
  taskQueue: 'floor',
  workflowBundle: { codePath: BUNDLE! },
  activities: createFloorActivities(),
  sinks: {
    floor: { started: { fn: countStart, callDuringReplay: false } },
  } as import('@temporalio/worker').InjectedSinks<FloorSinks>,
  maxCachedWorkflows: Number(MAX_CACHED),
  stickyQueueScheduleToStartTimeout: '1s',
  maxConcurrentActivityTaskExecutions: 1_000,
});
process.on('message', () => process.send!({ started }));
process.send!('ready');
process.once('SIGTERM', () => worker.shutdown());
process.once('disconnect', () => process.exit(0));
await worker.run();
await connection.close();
process.exit(0);
