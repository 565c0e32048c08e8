import { jest } from '@jest/globals';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { createTokenSource, tokenFor } from '../../activities/tokens.ts';
import type { PublishContent } from '../../db/publish-content.ts';

const opened: string[] = [];
const source = createTokenSource({
  pool: {},
  clock: { now: async () => new Date('2026-11-21T12:00:00Z') },
  envelopes: {
    open: (sealed: Uint8Array, { rowId }: { rowId: string }) => {
      opened.push(rowId);
      return `token of ${Buffer.from(sealed)}`;
    },
  },
} as unknown as ActivityDependencies);

const stored = (
  grant: Partial<PublishContent['grant']> = {},
  profile: Partial<PublishContent['profile']> = {},
): PublishContent =>
  ({
    profile: {
      ...{ id: 'p', platform: 'linkedin', health: 'active', isConnected: true, rowVersion: 1 },
      sealedAccessToken: null,
      ...profile,
    },
    grant: {
      ...{ id: 'g', rowVersion: 1, sealedAccessToken: Buffer.from('one'), appId: 'a' },
      ...{ expiresAt: null, refreshedAt: null },
      ...grant,
    },
  }) as PublishContent;
const open = (content: PublishContent, use = tokenFor.sendingAt(0)) => source.open('tenant', content, use);

beforeEach(() => {
  opened.length = 0;
});
afterEach(() => {
  jest.restoreAllMocks();
});

test('keeps what it has decrypted, by the version of its row, for 300 seconds at most', async () => {
  let elapsedMs = 1_000;
  jest.spyOn(performance, 'now').mockImplementation(() => elapsedMs);
  /** The cache reads its clock once in a millisecond. */
  const pass = async (ms: number) => {
    elapsedMs += ms;
    await new Promise((resolve) => setTimeout(resolve, 10));
  };
  expect(await open(stored())).toBe('token of one');
  expect(await open(stored())).toBe('token of one');
  expect(opened).toEqual(['g']);
  expect(await open(stored({ rowVersion: 2, sealedAccessToken: Buffer.from('two') }))).toBe('token of two');
  expect(opened).toHaveLength(2);
  await pass(299_000);
  await open(stored());
  expect(opened).toHaveLength(2);
  await pass(2_000);
  await open(stored());
  expect(opened).toHaveLength(3);
});

test("uses a page's own token, and the grant's for whoever has none", async () => {
  expect(await open(stored({}, { sealedAccessToken: Buffer.from('page') }))).toBe('token of page');
  expect(opened).toEqual(['p']);
});

test.each([
  ['needs a person', stored({}, { health: 'needs-reconnect' })],
  ['is disconnected', stored({}, { isConnected: false })],
  ['has a grant that holds nothing', stored({ sealedAccessToken: null, rowVersion: 9 })],
])(
  'has no token to publish with for a profile that %s, and whatever there is to ask with',
  async (_name, content) => {
    await expect(open(content)).rejects.toMatchObject({ type: 'needs-reconnect', nonRetryable: true });
    expect(typeof (await open(content, tokenFor.asking))).toBe('string');
  },
);
