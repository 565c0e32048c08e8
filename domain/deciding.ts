import { accepted, entry, type Reduction, refuse, refuseSending } from './change.ts';
import type { DecideCommand, DecisionRecord } from './commands.ts';
import { missingFor, passGate, reopenGates, withGate } from './gating.ts';
import { mayDecide } from './policy.ts';
import type { Gate } from './post.ts';
import { type GateState, gatesOf, hashFor, openGate, type PostState } from './post-state.ts';

/** A vote or a rejection at a gate, on the hash that was seen. */
export function decide(state: PostState, command: DecideCommand, nowMs: number): Reduction {
  if (state.draft) return refuse('not-submitted', 'The post is a draft; nothing can be decided');
  const sending = refuseSending(state);
  if (sending) return sending;
  if (!gatesOf(state.type).includes(command.gate))
    return refuse('gate-not-open', `A ${state.type} post does not pass the ${command.gate} gate`);
  const current = hashFor(command.gate, state.revision);
  if (command.hash !== current)
    return refuse('stale-hash', `The post has changed since: the ${command.gate} hash is now ${current}`);
  const isEscalated = state.gates[command.gate].escalatedAtMs !== null;
  if (!mayDecide(state.policy[command.gate], command.actor, isEscalated))
    return refuse(
      'may-not-decide',
      `The policy does not give the ${command.gate} gate to this ${command.actor.role}`,
    );
  return command.verdict === 'approve' ? approve(state, command, nowMs) : reject(state, command, nowMs);
}

function approve(state: PostState, command: DecideCommand, nowMs: number): Reduction {
  const gate = state.gates[command.gate];
  const policy = state.policy[command.gate];
  const memberId = command.actor.memberId;
  if (gate.votes.some((vote) => vote.memberId === memberId))
    return refuse('already-voted', `You have already approved the ${command.gate} gate in this round`);
  if (gate.status === 'approved')
    return refuse('gate-already-decided', `The ${command.gate} gate is approved already`);
  if (openGate(state) !== command.gate || gate.status === 'rejected')
    return refuse('gate-not-open', notOpenMessage(state, command.gate));
  if (!policy.authorMay && state.revision.authors[command.gate] === memberId)
    return refuse(
      'author-may-not-decide',
      `Whoever last changed the post may not approve its ${command.gate} gate`,
    );
  const missing = missingFor(command.gate, state);
  if (missing) return { ok: false, refusal: missing };
  const votes = [...gate.votes, { memberId, role: command.actor.role, hash: command.hash, atMs: nowMs }];
  const passed = votes.length >= policy.quorum;
  const next: GateState = passed
    ? {
        ...gate,
        votes,
        status: 'approved',
        approvedHash: command.hash,
        decidedAtMs: nowMs,
        decidedBy: memberId,
        notes: null,
      }
    : { ...gate, votes };
  const type = passed ? 'gate.approved' : 'gate.voted';
  return accepted(
    passed
      ? passGate(withGate(state, command.gate, next), command.gate, nowMs)
      : withGate(state, command.gate, next),
    [entry(type, nowMs, command.actor, { gate: command.gate, round: gate.round })],
    [decisionOf(state, command, nowMs)],
  );
}

function notOpenMessage(state: PostState, gate: Gate): string {
  const open = openGate(state);
  if (state.gates[gate].status === 'rejected')
    return `Changes were requested at the ${gate} gate; it opens again when the post is edited or submitted again`;
  return `The ${gate} gate is not open; the post waits at the ${open ?? 'publish'} gate`;
}

function reject(state: PostState, command: DecideCommand, nowMs: number): Reduction {
  if (!command.notes?.trim())
    return refuse('notes-required', 'A rejection needs notes that say what is to change');
  const gate = state.gates[command.gate];
  if (gate.status === 'rejected')
    return refuse('gate-already-decided', `The ${command.gate} gate has been rejected already`);
  if (gate.status === 'pending' && openGate(state) !== command.gate)
    return refuse('gate-not-open', notOpenMessage(state, command.gate));
  const returnTo = command.gate === 'publish' ? (command.returnTo ?? 'content') : command.gate;
  if (command.gate !== 'publish' && command.returnTo !== null && command.returnTo !== command.gate)
    return refuse(
      'invalid-return',
      `Only a rejection at the publish gate can return the post to another gate`,
    );
  if (!gatesOf(state.type).includes(returnTo))
    return refuse('invalid-return', `A ${state.type} post does not pass the ${returnTo} gate`);
  const undone = { ...reopenGates(state, command.gate === returnTo ? [] : [command.gate]), readyAtMs: null };
  const rejected: GateState = {
    ...state.gates[returnTo],
    status: 'rejected',
    votes: [],
    approvedHash: null,
    decidedAtMs: nowMs,
    decidedBy: command.actor.memberId,
    notes: command.notes.trim().slice(0, 200),
  };
  return accepted(
    withGate(undone, returnTo, rejected),
    [entry('gate.rejected', nowMs, command.actor, { gate: command.gate, round: gate.round, returnTo })],
    [{ ...decisionOf(state, command, nowMs), returnTo }],
  );
}

const decisionOf = (state: PostState, command: DecideCommand, atMs: number): DecisionRecord => ({
  commandId: command.commandId,
  gate: command.gate,
  round: state.gates[command.gate].round,
  verdict: command.verdict,
  hash: command.hash,
  revisionId: state.revision.revisionId,
  memberId: command.actor.memberId,
  memberName: command.actor.name,
  notes: command.notes,
  returnTo: command.returnTo,
  atMs,
});
