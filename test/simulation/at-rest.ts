import { isDeepStrictEqual } from 'node:util';
import { evaluate } from '../../domain/lifecycle.ts';
import type { PostState } from '../../domain/post-state.ts';
import { postWorkflowId } from '../../workflows/ids.ts';
import type { PostModel } from './model.ts';
import type { PostRows } from './rows.ts';
import type { World } from './world.ts';

/** What a person can do something about; time alone settles the other blocks, and they must be gone. */
const waitsForPerson = [
  ...[
    'submit',
    'copy',
    'gate',
    'changes-requested',
    'media',
    'due-time',
    'late',
    'paused',
    'hold',
    'operator',
  ],
];

/** Looks at every post when all is quiet: nothing is stuck, nothing went out twice, and the rows say what the runs do. */
export async function checkAtRest(world: World, { isOver = false } = {}): Promise<void> {
  for (const post of world.rows.posts.values()) await checkPost(world, post, isOver);
}

async function checkPost(world: World, post: PostRows, isOver: boolean): Promise<void> {
  const { postId } = post;
  const must = (holds: boolean, what: string) => {
    if (!holds) world.model.violated(postId, what);
  };
  const run = world.temporal.newestRun(postWorkflowId('tenant', postId));
  if (!run) return must(false, 'it never had a run');
  const state = await run.query<PostState>('state');
  const { status, blockedOn } = evaluate(state);
  if (!isOver) world.reached(status);
  const codes = blockedOn.map(({ code }) => code);
  const model = world.model.posts.get(postId)!;
  if (run.isOpen) {
    must(!isOver, `it is ${status} and waits for ${codes} although everybody did what it waited for`);
    must(
      codes.length > 0 && codes.some((code) => waitsForPerson.includes(code)),
      `it is stuck: ${status}, ${codes}`,
    );
    must(!codes.includes('publishing'), `a target is on its way for ever: ${status}`);
  } else must(run.status === 'completed', `its run is ${run.status}`);
  for (const { answer, isRefused, command } of model.issued.values())
    must(
      answer !== null || isRefused || run.status === 'completed',
      `${command.kind} ${command.commandId} was never answered`,
    );
  checkEntries(model, state, must);
  checkProjection(post, state, must);
  checkDecisions(world, model, must);
}

function checkEntries(
  model: PostModel,
  state: PostState,
  must: (holds: boolean, what: string) => void,
): void {
  for (const { targetId, phase, accountKind } of state.targets) {
    const entries = model.entries.get(targetId) ?? 0;
    const { sentTwice, claimed } = model.mistakesOf(targetId);
    const which = `${targetId} (${accountKind}) is ${phase} and stands there ${entries} times`;
    must(entries <= 1 + sentTwice, which);
    if (phase === 'PUBLISHED') must(entries >= 1 || claimed, which);
    else if (phase !== 'UNCONFIRMED') must(entries === 0 || sentTwice > 0 || claimed, which);
  }
}

/** A run's state without what it notes for itself until it next has something to tell. */
const told = (state: PostState): PostState => ({
  ...state,
  commands: [],
  targets: state.targets.map((target) => ({
    ...target,
    ...{ admittedAtMs: null, preparingSinceMs: null, preparedRevisionId: null },
  })),
});

function checkProjection(
  post: PostRows,
  state: PostState,
  must: (holds: boolean, what: string) => void,
): void {
  const shown = post.runState && told(post.runState);
  const is = told(state);
  const differing = Object.keys(is).filter(
    (key) => !isDeepStrictEqual(is[key as keyof PostState], shown?.[key as keyof PostState]),
  );
  must(differing.length === 0, `its row says otherwise than its run: ${differing.join(', ')}`);
  must(isDeepStrictEqual(post.readiness, evaluate(state)), 'its row shows another status than its run');
  for (const target of state.targets)
    must(
      post.targets.find(({ targetId }) => targetId === target.targetId)!.phase === target.phase,
      `the row of ${target.targetId} is not ${target.phase}`,
    );
}

/** The decisions that were kept are those that were answered, and everything that went out rests on them. */
function checkDecisions(world: World, model: PostModel, must: (holds: boolean, what: string) => void): void {
  const kept = [...world.rows.decisions.values()].filter(({ postId }) => postId === model.facts.postId);
  for (const { command } of model.taken) {
    if (command.kind !== 'decide') continue;
    const isKept = kept.some(
      ({ commandId, gate, hash, verdict }) =>
        commandId === command.commandId &&
        gate === command.gate &&
        hash === command.hash &&
        verdict === command.verdict,
    );
    must(isKept, `the decision ${command.commandId} was answered and not kept`);
  }
  const said = new Set(model.taken.map(({ command }) => command.commandId));
  for (const { commandId, verdict } of kept)
    if (verdict !== 'policy')
      must(
        said.has(commandId) || model.open.some(({ command }) => command.commandId === commandId),
        `the decision ${commandId} was kept although it was refused`,
      );
  for (const { row, entries } of model.claims) {
    if (entries === 0) continue;
    const { ref } = model.revisions.get(row.revision_id)!;
    const hashes = { content: ref.contentHash, design: ref.designHash, publish: ref.publishHash };
    for (const gate of model.facts.gates)
      must(
        kept.some((one) => one.gate === gate && one.hash === hashes[gate] && one.verdict !== 'reject'),
        `${row.target_id} went out without a decision at the ${gate} gate on what it says`,
      );
  }
}
