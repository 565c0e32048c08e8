/** The words every part shares: what a post is, where it can go, and the states it passes through. */

export const postTypes = ['TEXT_ONLY', 'SINGLE_IMAGE', 'CAROUSEL', 'VIDEO', 'STORY', 'REEL'] as const;
export type PostType = (typeof postTypes)[number];

export { type AccountKind, accountKinds, type Platform, platforms } from './platforms/index.ts';

export const roles = [
  'super_admin',
  'tenant_admin',
  'content_manager',
  'graphic_designer',
  'viewer',
] as const;
export type Role = (typeof roles)[number];

export const gates = ['content', 'design', 'publish'] as const;
export type Gate = (typeof gates)[number];

export const postStatuses = [
  'DRAFT',
  'GENERATING',
  'AI_GENERATED',
  'IN_REVIEW',
  'NEEDS_DESIGN',
  'APPROVED',
  'SCHEDULED',
  'PUBLISHING',
  'PUBLISHED',
  'PARTIALLY_PUBLISHED',
  'FAILED',
  'UNCONFIRMED',
  'CANCELLED',
  'EXPIRED',
] as const;
export type PostStatus = (typeof postStatuses)[number];

/** Statuses in which the post's run is closed: nothing can move it any more. */
export const closedStatuses = ['PUBLISHED', 'CANCELLED', 'EXPIRED'] as const satisfies readonly PostStatus[];

export const isClosed = (status: PostStatus): boolean =>
  (closedStatuses as readonly PostStatus[]).includes(status);

/** Types that carry pictures or video and therefore pass the design gate. */
export const isVisual = (type: PostType): boolean => type !== 'TEXT_ONLY';

/** Ends a `switch` over a union: a value that types rule out still stops loudly at run time. */
export function unreachable(value: never, what: string): never {
  throw new Error(`Unknown ${what}: ${JSON.stringify(value)}`);
}
