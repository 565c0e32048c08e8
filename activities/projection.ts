import { activityInfo } from '@temporalio/activity';
import { findConditions } from '../db/conditions.ts';
import { findActiveMember } from '../db/members.ts';
import { projectPost } from '../db/projections.ts';
import { forTenant } from '../db/tenant-database.ts';
import type { ConditionsMark, PostConditions } from '../domain/conditions.ts';
import type { TargetPhase } from '../domain/post-state.ts';
import type { MemberFacts, ProjectInput, ReadConditionsInput } from './contract.ts';
import type { ActivityDependencies } from './dependencies.ts';

const outcomePhases: readonly TargetPhase[] = ['PUBLISHED', 'FAILED', 'UNCONFIRMED'];

export function createProjectionActivities({ pool, failpoint = async () => {} }: ActivityDependencies) {
  return {
    /** Writes what the run knows into the post's rows. May run twice: rows take only a newer (epoch, version). */
    async projectPost(input: ProjectInput): Promise<ConditionsMark> {
      const runId = activityInfo().workflowExecution?.runId;
      if (!runId) throw new Error('A projection belongs to a workflow run');
      const { tenantId, postId, targets } = input.state;
      const isOutcome = targets.some(({ phase }) => outcomePhases.includes(phase));
      if (isOutcome) await failpoint('activity-completed', postId);
      const mark = await projectPost(forTenant(pool, tenantId), { ...input, runId });
      if (isOutcome) await failpoint('projected', postId);
      return mark;
    },

    /** Reads what holds around a post: policies, holds, receipts that came late. */
    async readConditions({ tenantId, ...post }: ReadConditionsInput): Promise<PostConditions> {
      return findConditions(forTenant(pool, tenantId), { tenantId, ...post });
    },

    /** Looks a member up for a Signal, whose sender nobody has checked. `null`: no such active member. */
    async findMember(input: { tenantId: string; memberId: string }): Promise<MemberFacts | null> {
      const row = await findActiveMember(forTenant(pool, input.tenantId), input.memberId);
      return row ? { memberId: row.id, role: row.role, name: row.name, profileIds: row.profile_ids } : null;
    },
  };
}
