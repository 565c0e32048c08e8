import { OutcomeError } from '../../domain/outcome.ts';
import type { AdapterOptions, PlatformDefinition } from './definition.ts';
import { isObject, path } from './http.ts';
import type {
  Account,
  CallContext,
  Finder,
  FindResult,
  PreparedHandle,
  Preparer,
  PublicContent,
  Publisher,
  Receipt,
  Remover,
  Replier,
} from './publisher.ts';
import { assertSupported } from './supported.ts';
import { callX, duplicate, heedRateLimit, openXApi, parseProblem, type XApi } from './x-api.ts';
import { createXConnector } from './x-connector.ts';
import { findAnswer, findPost } from './x-find.ts';
import { uploadMedia } from './x-upload.ts';

// Endpoints

// https://docs.x.com/x-api/introduction, https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code (read 2026-11-21)
export const x: PlatformDefinition = {
  live: {
    hosts: { api: 'https://api.x.com', oauth: 'https://x.com', token: 'https://api.x.com' },
    version: '',
    uploadOrigins: [],
    permalinkBaseUrl: 'https://x.com',
  },
  // The names it had before, which still answer.
  otherLiveOrigins: ['https://api.twitter.com', 'https://twitter.com', 'https://upload.twitter.com'],
  create: createX,
  connect: createXConnector,
};

// Limits

/** How far back we look for what X says is there already. */
const duplicateWindowMs = 24 * 3_600_000;

/** One adapter for every account: X makes no difference between people and companies. */
export function createX(options: AdapterOptions) {
  const api = openXApi(options);
  return {
    user: {
      publisher: createPublisher(api),
      preparer: createPreparer(api),
      finder: createFinder(api),
      replier: createReplier(api),
      remover: createRemover(api),
    },
  };
}

// Methods

function createPublisher(api: XApi): Publisher {
  return {
    platform: 'x',
    kinds: ['user'],
    commitTimeoutMs: api.timings.commitTimeoutMs,
    commit: async (account, content, handle, context) => {
      const post = mapPost(content, handle);
      const findEarlier = () => findPost(api, account, soughtLately(api, content.text, handle), context);
      return createPost(api, account, { post, what: 'X post creation', findEarlier }, context);
    },
    // The address follows from the id, and X charges for every read.
    confirm: async (_account, publicId) => ({ publicId, permalink: api.permalinkOf(publicId) }),
  };
}

interface Creation {
  readonly post: Readonly<Record<string, unknown>>;
  readonly what: string;
  /** Looks for an equal post of the last day. */
  readonly findEarlier: () => Promise<FindResult>;
}

// https://docs.x.com/x-api/posts/create-post (read 2026-11-21)
async function createPost(
  api: XApi,
  account: Account,
  { post, what, findEarlier }: Creation,
  context: CallContext,
): Promise<Receipt> {
  try {
    const { status, headers, body } = await callX(api, account, context, {
      ...{ method: 'POST', path: '/2/tweets', json: post, what },
      timeoutMs: api.timings.commitTimeoutMs,
    });
    heedRateLimit(headers, context, api.now());
    const publicId = parsePostId(status, body, what);
    return { publicId, permalink: api.permalinkOf(publicId) };
  } catch (error) {
    if (error instanceof OutcomeError && error.details.platformCode === duplicate)
      throw await nameEarlier(error, findEarlier);
    throw error;
  }
}

/**
 * X refuses a text it has without saying where. After an attempt in doubt that is evidence of it, so the earlier post is
 * named; the caller knows whether there was doubt. While X cannot be asked or cannot tell, nothing is concluded.
 */
async function nameEarlier(
  refusal: OutcomeError,
  findEarlier: () => Promise<FindResult>,
): Promise<OutcomeError> {
  const earlier = await findEarlier().catch(() => null);
  if (earlier?.kind === 'absent') return refusal;
  if (earlier?.kind !== 'found')
    return new OutcomeError('unavailable', refusal.message, { ...refusal.details, sent: true });
  return new OutcomeError('rejected', refusal.message, {
    ...refusal.details,
    existingPublicId: earlier.receipt.publicId,
  });
}

function soughtLately(
  api: XApi,
  text: string,
  handle: PreparedHandle | null,
  parentId: string | null = null,
) {
  const now = api.now().getTime();
  const window = { sentAfter: new Date(now - duplicateWindowMs), sentBefore: new Date(now) };
  return { text, mediaIds: idsOf(handle), parentId, ...window };
}

function createPreparer(api: XApi): Preparer {
  return {
    prepare: async (account, content, media, context) => {
      assertSupported('x', content);
      return uploadMedia(api, account, content, media, context);
    },
  };
}

function createFinder(api: XApi): Finder {
  return {
    settleMs: api.timings.settleMs,
    find: (account, { content, handle, sentAfter, sentBefore }, context) => {
      const mediaIds = idsOf(handle);
      const sought = { text: content.text, mediaIds, parentId: null, sentAfter, sentBefore };
      return findPost(api, account, sought, context);
    },
  };
}

/** A part of a thread and a first comment are answers to posts of our own, which X allows everybody. */
function createReplier(api: XApi): Replier {
  return {
    reply: (account, { text, parentId, rootId }, context) => {
      const post = { text, reply: { in_reply_to_tweet_id: parentId } };
      const findEarlier = () =>
        findAnswer(api, account, rootId, soughtLately(api, text, null, parentId), context);
      return createPost(api, account, { post, what: 'X answer creation', findEarlier }, context);
    },
    findReply: (account, { text, parentId, rootId }, window, context) =>
      findAnswer(api, account, rootId, { text, mediaIds: [], parentId, ...window }, context),
  };
}

// https://docs.x.com/x-api/posts/delete-post (read 2026-11-21)
function createRemover(api: XApi): Remover {
  return {
    remove: async (account, publicId, context) => {
      const what = 'X post removal';
      try {
        const call = { method: 'DELETE', path: path`/2/tweets/${publicId}`, what } as const;
        const { body } = await callX(api, account, context, call);
        const isGone = isObject(body.data) && body.data.deleted === true;
        // X answers 200 to some of what it does not find, too.
        if (isGone || parseProblem(body).kind === 'resource-not-found') return;
        throw new OutcomeError('unexpected-response', `${what}: the answer does not say that it is gone`);
      } catch (error) {
        if (!(error instanceof OutcomeError && error.details.status === 404)) throw error;
      }
    },
  };
}

// Pure mappers

/** X's names of our options. */
const optionNames = {
  replySettings: 'reply_settings',
  communityId: 'community_id',
  madeWithAi: 'made_with_ai',
  paidPartnership: 'paid_partnership',
} as const;

/** The body of the one public call, with nothing in it that X does not know: it refuses the whole otherwise. */
function mapPost(content: PublicContent, handle: PreparedHandle | null): Record<string, unknown> {
  assertSupported('x', content);
  const mediaIds = idsOf(handle);
  if (mediaIds.length !== content.media.length) {
    const message = `The prepared handle has ${mediaIds.length} pieces of media, the post ${content.media.length}`;
    throw new OutcomeError('unavailable', message, { sent: false, handleIsDead: true });
  }
  const options = Object.entries(optionNames).flatMap(([name, theirs]) => {
    const value = content.options?.[name];
    return value === undefined || value === false ? [] : [[theirs, value] as const];
  });
  return {
    ...(content.text !== '' && { text: content.text }),
    ...(mediaIds.length > 0 && { media: { media_ids: mediaIds } }),
    ...Object.fromEntries(options),
  };
}

function idsOf(handle: PreparedHandle | null): readonly string[] {
  const ids = handle?.ids.mediaIds ?? [];
  return typeof ids === 'string' ? [ids] : ids;
}

// Beside the id there may be errors about what else was asked for; without it nothing is known.
function parsePostId(status: number, body: Readonly<Record<string, unknown>>, what: string): string {
  const id = isObject(body.data) ? body.data.id : undefined;
  if (typeof id !== 'string' || !/^\d{1,19}$/.test(id)) {
    throw new OutcomeError('unexpected-response', `${what}: answer ${status} without a post's id`, {
      status,
    });
  }
  return id;
}
