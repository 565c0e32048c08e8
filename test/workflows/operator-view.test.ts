import { evaluate } from '../../domain/lifecycle.ts';
import { resolvePostPolicy } from '../../domain/policy.ts';
import { newPostState } from '../../domain/post-state.ts';
import { openPost } from '../../domain/reducer.ts';
import { describe as describePost } from '../../workflows/operator-view.ts';

const revision = {
  ...{
    revisionId: 'r',
    number: 3,
    contentHash: 'c',
    designHash: 'd',
    publishHash: 'p',
    hasCopy: true,
    mediaCount: 0,
  },
  authors: { content: 'a', design: 'a', publish: 'a' },
};
const { state } = openPost(
  newPostState({
    ...{
      tenantId: 't',
      postId: 'p',
      type: 'CAROUSEL',
      origin: 'human',
      revision,
      policy: resolvePostPolicy([[]]),
      policyVersion: 1,
    },
    dueAtMs: Date.UTC(2026, 11, 1, 9),
    targets: [
      {
        ...{ targetId: 'target-1', profileId: 'x', platform: 'instagram', accountKind: 'business' },
        ...{ type: 'CAROUSEL', dueAtMs: null },
      },
    ],
  }),
  { memberId: 'a', name: 'Ana' },
  0,
);

test('shows an operator the status, what the post waits for, its gates and its targets', () => {
  expect(describePost(state, evaluate(state)).split('\n')).toEqual([
    '**IN_REVIEW** · CAROUSEL · revision 3 · due 2026-12-01T09:00:00.000Z',
    '',
    'Waits for:',
    '- `gate` The content gate waits for content_manager or tenant_admin',
    '- `media` Media is missing: 0 of at least 2 for CAROUSEL',
    '- `until-due` Due at 2026-12-01T09:00:00.000Z',
    '',
    '| gate | state | round | approvals | decided |',
    '| --- | --- | --- | --- | --- |',
    '| content | pending | 1 | 0 of 1 |  |',
    '| design | pending | 1 | 0 of 1 |  |',
    '| publish | pending | 1 | 0 of 1 |  |',
    '',
    '| platform | phase | outcome | target |',
    '| --- | --- | --- | --- |',
    '| instagram business | WAITING |  | target-1 |',
  ]);
});
