import {
  defineSearchAttributeKey,
  SearchAttributeType,
  type SearchAttributeUpdatePair,
} from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import type { Readiness } from '../domain/lifecycle.ts';
import { gatesOf, type PostState } from '../domain/post-state.ts';

/** Search attributes of a post's run: ids, states and times only; operators filter by them, nothing decides by them. */
export const searchAttributes = {
  tenantId: defineSearchAttributeKey('TenantId', SearchAttributeType.KEYWORD),
  postStatus: defineSearchAttributeKey('PostStatus', SearchAttributeType.KEYWORD),
  blockedOn: defineSearchAttributeKey('BlockedOn', SearchAttributeType.KEYWORD_LIST),
  platforms: defineSearchAttributeKey('Platforms', SearchAttributeType.KEYWORD_LIST),
  dueAt: defineSearchAttributeKey('DueAt', SearchAttributeType.DATETIME),
} as const;

/** Shows a run to operators: what changed goes into the search attributes, the whole into the details. */
export class OperatorView {
  #shown = '';

  show(state: PostState, readiness: Readiness): void {
    setCurrentDetails(describe(state, readiness));
    const blockedOn = readiness.blockedOn.map((block) =>
      block.gate ? `${block.code}:${block.gate}` : block.code,
    );
    const key = JSON.stringify([readiness.status, blockedOn, state.dueAtMs]);
    if (key === this.#shown) return;
    const first = this.#shown === '';
    this.#shown = key;
    upsertSearchAttributes([
      ...(first ? identity(state) : []),
      { key: searchAttributes.postStatus, value: readiness.status },
      { key: searchAttributes.blockedOn, value: [...new Set(blockedOn)] },
      { key: searchAttributes.dueAt, value: state.dueAtMs === null ? null : new Date(state.dueAtMs) },
    ]);
  }
}

const identity = (state: PostState): SearchAttributeUpdatePair[] => [
  { key: searchAttributes.tenantId, value: state.tenantId },
  { key: searchAttributes.platforms, value: [...new Set(state.targets.map((target) => target.platform))] },
];

/** The post in Markdown, for the Web UI's current details. No content: ids, states, times, and reasons. */
export function describe(state: PostState, readiness: Readiness): string {
  const due = state.dueAtMs === null ? 'not set' : new Date(state.dueAtMs).toISOString();
  const lines = [
    `**${readiness.status}** · ${state.type} · revision ${state.revision.number} · due ${due}`,
    '',
    ...(readiness.blockedOn.length > 0
      ? ['Waits for:', ...readiness.blockedOn.map((block) => `- \`${block.code}\` ${block.message}`)]
      : ['Waits for nothing.']),
    '',
    '| gate | state | round | approvals | decided |',
    '| --- | --- | --- | --- | --- |',
    ...gatesOf(state.type).map((gate) => gateLine(state, gate)),
    '',
    '| platform | phase | outcome | target |',
    '| --- | --- | --- | --- |',
    ...state.targets.map(targetLine),
  ];
  return lines.join('\n');
}

function gateLine(state: PostState, gate: 'content' | 'design' | 'publish'): string {
  const { status, round, votes, decidedAtMs } = state.gates[gate];
  const policy = state.policy[gate];
  const decided = decidedAtMs === null ? '' : new Date(decidedAtMs).toISOString();
  const needed = policy.required ? `${votes.length} of ${policy.quorum}` : 'not required';
  return `| ${gate} | ${status} | ${round} | ${needed} | ${decided} |`;
}

function targetLine(target: PostState['targets'][number]): string {
  const outcome =
    target.permalink ??
    target.publicId ??
    (target.error ? `${target.error.code}: ${target.error.message}` : '');
  const platform = `${target.platform} ${target.accountKind}`;
  return `| ${platform} | ${target.phase} | ${outcome.replaceAll('|', '/')} | ${target.targetId} |`;
}
