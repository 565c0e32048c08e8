import { randomUUID } from 'node:crypto';
import { Client, Connection, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import {
  CommandRefused,
  createPostRuns,
  mapUpdateError,
  OutcomeUnknown,
  PostRunMissing,
} from '../../api/post-runs.ts';
import { openClient } from '../../cli/wiring.ts';
import type { Command } from '../../domain/commands.ts';
import { resolvePostPolicy } from '../../domain/policy.ts';
import { amendmentWorkflowId, postWorkflowId, removalWorkflowId } from '../../workflows/ids.ts';
import type { PostWorkflowInput } from '../../workflows/messages.ts';
import { testEndpoints } from '../support/endpoints.ts';

const tenantId = randomUUID();
const author = randomUUID();
const withdraw: Command = {
  kind: 'withdraw',
  commandId: 'one',
  actor: { memberId: author, role: 'content_manager', name: 'Author' },
};

function inputOf(postId: string): PostWorkflowInput {
  const hash = 'a'.repeat(64);
  const revision = {
    revisionId: randomUUID(),
    number: 1,
    contentHash: hash,
    designHash: hash,
    publishHash: hash,
    hasCopy: true,
    mediaCount: 0,
    authors: { content: author, design: author, publish: author },
  };
  return {
    post: {
      tenantId,
      postId,
      type: 'TEXT_ONLY',
      origin: 'human',
      revision,
      policy: resolvePostPolicy([]),
      policyVersion: 1,
      dueAtMs: null,
      targets: [
        {
          targetId: randomUUID(),
          profileId: randomUUID(),
          platform: 'linkedin',
          accountKind: 'organization',
          type: 'TEXT_ONLY',
          dueAtMs: null,
        },
      ],
    },
    submittedBy: { memberId: author, name: 'Author' },
    settings: { armLeadMs: 0, acceptSignals: false },
  };
}

describe('on a server', () => {
  let connection: Connection;
  let client: Client;
  beforeAll(async () => {
    connection = await Connection.connect({ address: testEndpoints().temporalAddress });
    client = new Client({ connection });
  });
  afterAll(() => connection.close());

  test('starts a run once, and takes one that is there or over for a success', async () => {
    const runs = createPostRuns(client);
    const input = inputOf(randomUUID());
    const handle = client.workflow.getHandle(postWorkflowId(tenantId, input.post.postId));
    await runs.start(input);
    const first = await handle.describe();
    await runs.start(input);
    expect((await handle.describe()).runId).toBe(first.runId);
    await handle.terminate('over');
    await runs.start(input);
    const last = await handle.describe();
    expect([last.runId, last.status.name]).toEqual([first.runId, 'TERMINATED']);
    await expect(runs.execute(withdraw, input.post)).rejects.toThrow(PostRunMissing);
  });

  test('begins anew what takes down or changes posts, where its run was ended by hand: people wait for it', async () => {
    const runs = createPostRuns(client);
    const input = { tenantId, requestId: randomUUID() };
    const starts = [
      [() => runs.startRemoval(input), removalWorkflowId(input)],
      [() => runs.startAmendment(input), amendmentWorkflowId(input)],
    ] as const;
    for (const [start, workflowId] of starts) {
      const handle = client.workflow.getHandle(workflowId);
      await start();
      const first = await handle.describe();
      await start();
      expect((await handle.describe()).runId).toBe(first.runId);
      await handle.terminate('over');
      await start();
      const next = await handle.describe();
      expect([next.runId === first.runId, next.status.name]).toEqual([false, 'RUNNING']);
      await handle.terminate('over');
    }
  });

  test('tells that no run takes commands for the post', async () => {
    const runs = createPostRuns(client);
    await expect(runs.execute(withdraw, { tenantId, postId: randomUUID() })).rejects.toThrow(PostRunMissing);
  });
});

test('does not know the outcome while the server is away, and says so in time', async () => {
  const address = { TEMPORAL_ADDRESS: '127.0.0.1:1', TEMPORAL_NAMESPACE: 'default', TEMPORAL_TLS: false };
  const client = openClient(address, {});
  const runs = createPostRuns(client);
  const startedAt = Date.now();
  await Promise.all([
    expect(runs.execute(withdraw, { tenantId, postId: randomUUID() })).rejects.toThrow(OutcomeUnknown),
    expect(runs.start(inputOf(randomUUID()))).rejects.toThrow(OutcomeUnknown),
  ]);
  // As the library comes, its retries sleep past the five seconds.
  expect(Date.now() - startedAt).toBeLessThan(5_800);
  await client.connection.close();
}, 20_000);

test('reads a refusal by its code, and takes any other failure for an unknown outcome', () => {
  const failed = (type: string) =>
    mapUpdateError(
      new WorkflowUpdateFailedError('failed', ApplicationFailure.nonRetryable('The post has changed', type)),
    );
  const refused = failed('stale-hash');
  expect(refused).toBeInstanceOf(CommandRefused);
  expect(refused).toMatchObject({ code: 'stale-hash', message: 'The post has changed' });
  expect(failed('SomethingElse')).toBeInstanceOf(OutcomeUnknown);
  expect(mapUpdateError(new Error('socket hang up'))).toBeInstanceOf(OutcomeUnknown);
});
