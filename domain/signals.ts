import type { CommandKind } from './commands.ts';
import type { Role } from './post.ts';

/** A member as looked up for a Signal, whose sender nobody has checked. */
export interface SignalSender {
  readonly role: Role;
  /** The profiles the member is limited to; `null` means all. */
  readonly profileIds: readonly string[] | null;
}

const commanders: readonly Role[] = ['content_manager', 'tenant_admin', 'super_admin'];

/**
 * Whether a member may give a post this command by Signal: the same roles as over HTTP, and only where every profile
 * of the post is the member's. Who may decide is the policy's business and is checked with the decision.
 */
export function mayCommand(sender: SignalSender, kind: CommandKind, profileIds: readonly string[]): boolean {
  const seesPost = sender.profileIds === null || profileIds.every((id) => sender.profileIds?.includes(id));
  return seesPost && (kind === 'decide' || commanders.includes(sender.role));
}
