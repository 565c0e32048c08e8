import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import proto from '@temporalio/proto';
import { postWorkflowId } from '../../workflows/ids.ts';
import { type LiveEndpoints, within } from '../support/live.ts';
import { seededRandom, shuffled } from '../support/random.ts';
import { gatherFacts, watchOutcomes } from './facts.ts';
import { byProof } from './outlets.ts';
import { type OperatorAction, operatorActions, type PlannedPost, type Point, type Way } from './points.ts';
import { historyNameOf, type JudgedPost } from './round.ts';
import { bringToPoints, eachOf, type Stage, type StagedPost, setStage } from './stage.ts';
import { judge, stuckAfterSeconds } from './verdict.ts';

export interface OperatorRoundOptions {
  readonly seed: number;
  readonly endpoints?: LiveEndpoints;
}

export interface OperatorResult extends JudgedPost {
  readonly action: OperatorAction;
}

/** Where an operator lays hands on a run; `over` is a run that has published and ended, which only a reset reaches. */
const places: readonly { readonly point: Point; readonly way: Way; readonly only?: OperatorAction }[] = [
  { point: 'before-claim', way: 'parked' },
  { point: 'armed', way: 'parked' },
  { point: 'sending', way: 'parked' },
  { point: 'receipt-committed', way: 'parked' },
  { point: 'projected', way: 'parked', only: 'terminate' },
  { point: 'projected', way: 'over', only: 'reset' },
];

type OperatorPlan = PlannedPost & { readonly action: OperatorAction };

/** Resets and terminates runs at every place, while their attempts go on, and judges what became of each post. */
export async function runOperatorRound(options: OperatorRoundOptions): Promise<readonly OperatorResult[]> {
  const random = seededRandom(options.seed);
  const stage = await setStage({ endpoints: options.endpoints, random, outlets: byProof });
  try {
    await stage.live.startWorker({ GATEPOST_FAILPOINT: stage.parking.setting });
    const planned: OperatorPlan[] = operatorActions.flatMap((action) =>
      places
        .filter(({ only }) => only === undefined || only === action)
        .flatMap(({ point, way }) => byProof.map((outlet) => ({ action, point, way, outlet }))),
    );
    const [last, first] = [planned.filter(isSending), planned.filter((one) => !isSending(one))];
    const acted = [...(await bring(stage, shuffled(first, random))), ...(await bring(stage, last))];
    await eachOf(acted, 8, ({ post, action }) => act(stage, post, action));
    await stage.parking.open();
    return await judgeAll(stage, acted, Date.now());
  } finally {
    await stage.stop();
  }
}

/** A sender that is held up for long does not send any more: these are brought there last. */
const isSending = ({ point }: PlannedPost): boolean => point === 'sending';

async function bring(stage: Stage, planned: readonly OperatorPlan[]) {
  // Nobody is given another due time: after a reset to its beginning, a run refuses one that has passed meanwhile.
  const posts = await bringToPoints(stage, planned, () => false);
  return posts.map((post, index) => ({ post, action: planned[index]!.action }));
}

async function act(stage: Stage, post: StagedPost, action: OperatorAction): Promise<void> {
  const run = stage.live.temporal.workflow.getHandle(postWorkflowId(stage.tenant.id, post.postId));
  if (post.way === 'over')
    await within(
      20_000,
      'the end of the run',
      async () => (await run.describe()).status.name === 'COMPLETED',
    );
  if (action === 'terminate') await run.terminate('ended by hand');
  else await reset(stage, run);
}

const { EventType, ResetReapplyType } = proto.temporal.api.enums.v1;

/** As the Web UI does it: to the first task or to the last one, with the Updates since then applied again. */
async function reset({ live, random }: Stage, run: WorkflowHandle): Promise<void> {
  const { events } = await run.fetchHistory();
  const finished = (events ?? []).filter(
    (event) => event.eventType === EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
  );
  const to = random() < 0.5 ? finished.at(0) : finished.at(-1);
  await live.temporal.workflowService.resetWorkflowExecution({
    namespace: live.temporal.options.namespace,
    workflowExecution: { workflowId: run.workflowId },
    workflowTaskFinishEventId: to!.eventId,
    requestId: randomUUID(),
    reason: 'reset by hand',
    resetReapplyType: ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE,
  });
}

async function judgeAll(
  stage: Stage,
  acted: readonly { readonly post: StagedPost; readonly action: OperatorAction }[],
  recoveredAtMs: number,
): Promise<OperatorResult[]> {
  const limitMs = recoveredAtMs + (stuckAfterSeconds + 15) * 1_000;
  const posts = acted.map(({ post }) => post);
  const settledAtMs = await watchOutcomes(stage, posts, limitMs);
  await sleep(3_000);
  return eachOf(acted, 8, async ({ post, action }) => {
    const facts = await gatherFacts(stage, post, {
      ...{ recoveredAtMs, settledAtMs: settledAtMs.get(post.postId), isEnded: action === 'terminate' },
      name: historyNameOf(action, post),
    });
    return { action, post, facts, findings: judge(facts), wasHeld: true };
  });
}
