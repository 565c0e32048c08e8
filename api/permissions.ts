import { type Role, roles } from '../domain/post.ts';

/** Who may call an operation: anybody, super admins without naming a tenant, or members with one of the roles. */
export type Permission = 'anybody' | 'platform' | readonly Role[];

const everyone = roles;
const admins: readonly Role[] = ['super_admin', 'tenant_admin'];
const managers: readonly Role[] = [...admins, 'content_manager'];
const designers: readonly Role[] = [...managers, 'graphic_designer'];

/** Who may do what: the one table. What a policy gives to whom is decided by the post's rules, beyond this. */
export const permissions = {
  healthz: 'anybody',
  readyz: 'anybody',
  getOpenApi: 'anybody',

  createTenant: 'platform',
  listTenants: 'platform',
  getTenant: everyone,
  updateTenant: admins,
  getTenantPolicy: everyone,
  putTenantPolicy: admins,
  getDefaultPolicy: everyone,

  getMe: everyone,
  createMember: admins,
  listMembers: everyone,
  updateMember: admins,

  createPlatformApp: admins,
  listPlatformApps: everyone,
  getPlatformApp: everyone,
  putPlatformApp: admins,
  deletePlatformApp: admins,
  startConnection: admins,
  receiveAuthorization: 'anybody',
  getConnection: admins,
  completeConnection: admins,
  connectWithCode: admins,
  disconnectProfile: admins,
  listTokenEvents: admins,
  listPlatforms: everyone,

  connectProfile: admins,
  listProfiles: everyone,
  getProfile: everyone,
  listOptionValues: everyone,
  putProfilePolicy: admins,

  placeHold: admins,
  listHolds: everyone,
  liftHold: admins,

  createMedia: designers,
  completeMedia: designers,
  importMedia: designers,
  getMedia: everyone,
  listMedia: everyone,

  createPost: managers,
  validatePost: managers,
  listPosts: everyone,
  getPost: everyone,
  // A designer may change the media alone; the operation sees to that.
  updatePost: designers,
  listPossibleDuplicates: everyone,
  listPostRevisions: everyone,
  getPostTimeline: everyone,
  getPostBrief: everyone,
  submitPost: managers,
  withdrawPost: managers,
  // Whom the policy names may decide, whatever the role.
  decidePost: everyone,
  schedulePost: managers,
  publishPostNow: managers,
  retryPost: managers,
  resolvePost: managers,
  pausePost: managers,
  resumePost: managers,
  archivePost: managers,
  cancelPost: managers,
  unpublishPost: managers,
  amendPost: managers,
  // Whom the policy names may decide, whatever the role.
  decideAmendment: everyone,
  withdrawAmendment: managers,
} as const satisfies Record<string, Permission>;

export type OperationId = keyof typeof permissions;

/** The operations open to a role, for user interfaces that hide what is not. */
export const operationsOf = (role: Role): OperationId[] =>
  (Object.keys(permissions) as OperationId[]).filter((operation) => isAllowed(permissions[operation], role));

export function isAllowed(permission: Permission, role: Role): boolean {
  if (permission === 'anybody') return true;
  if (permission === 'platform') return role === 'super_admin';
  return permission.includes(role);
}
