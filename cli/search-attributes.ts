/** The search attributes a namespace must have, as `workflows/operator-view.ts` sets them. A test holds the two equal. */
export const searchAttributeTypes = {
  TenantId: 'Keyword',
  PostStatus: 'Keyword',
  BlockedOn: 'KeywordList',
  Platforms: 'KeywordList',
  DueAt: 'Datetime',
} as const;
