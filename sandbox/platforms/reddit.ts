import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '../accounts.ts';
import { accountsOfBearer } from '../bearer.ts';
import type { SandboxContext } from '../context.ts';
import { type LedgerPost, permalinkOf } from '../ledger.ts';
import { probeImage, type StoredMedia } from '../media.ts';
import { oauthOperations } from '../oauth-definition.ts';
import type { RunningPlatform, SandboxPlatform } from '../platform.ts';
import {
  asObject,
  type Call,
  formOf,
  jsonReply,
  type Operation,
  Refusal,
  type Reply,
  readMultipart,
  stringAt,
} from '../protocol.ts';
import { redactText } from '../requests.ts';
import {
  errorReply,
  errorsReply,
  expiredToken,
  failure,
  oauthError,
  refusal,
  storageError,
  throttle,
  xmlReply,
} from './reddit-replies.ts';
import { createRedditRules } from './reddit-rules.ts';

export const reddit = {
  name: 'Reddit',
  kinds: {
    user: { id: /^[A-Za-z0-9_-]{3,20}$/, scopes: ['identity', 'submit', 'read', 'history', 'edit'] },
  },
  operations: [
    ...oauthOperations('reddit'),
    'reddit.me.get',
    'reddit.subreddit.get',
    'reddit.requirements.get',
    'reddit.asset.lease',
    'reddit.asset.upload',
    'reddit.text.submit',
    'reddit.image.submit',
    'reddit.video.submit',
    'reddit.gallery.submit',
    'reddit.posts.list',
    'reddit.comments.list',
    'reddit.info.get',
    'reddit.comment.create',
    'reddit.text.edit',
    'reddit.thing.delete',
  ] as const,
  // The archived wiki's page OAuth2, https://github.com/reddit-archive/reddit/wiki/OAuth2, in a copy (read 2026-11-21)
  oauth: {
    authorizePath: '/api/v1/authorize',
    tokenEndpoints: [
      {
        ...{ method: 'post', path: '/api/v1/access_token' },
        grants: { authorization_code: 'code', refresh_token: 'refresh' },
      },
    ],
    revocation: { method: 'post', path: '/api/v1/revoke_token' },
    ...{ clientAuth: 'basic', pkce: 'none', codeSeconds: 600, accessSeconds: 3_600 },
    ...{ refreshSeconds: 'endless', rotates: false },
    isOffline: ({ query }) => query.get('duration') === 'permanent',
    tokenBody: ({ accessToken, refreshToken, expiresInSeconds, scopes }) => ({
      ...{ access_token: accessToken, token_type: 'bearer', expires_in: expiresInSeconds },
      ...{ scope: scopes.join(' '), ...(refreshToken && { refresh_token: refreshToken }) },
    }),
    errorBody: oauthError,
  },
  processing: {
    'slow-upload-processing': ['reddit.image.submit', 'reddit.video.submit'],
    'failed-processing': ['reddit.image.submit', 'reddit.video.submit'],
  },
  permalinkOf: ({ shortcode }, publicUrl) => `${publicUrl}${shortcode}`,
  create: createReddit,
} satisfies SandboxPlatform;

/** A place for one file: leased, then filled by a form that carries the lease's own fields. */
interface RedditAsset {
  id: string;
  owner: string;
  key: string;
  bucket: Bucket;
  contentType: string;
  policy: string;
  leasedAt: number;
  media?: StoredMedia;
}

const buckets = ['media', 'video'] as const;
type Bucket = (typeof buckets)[number];

/** A post with one picture or a video, which is made some time after it was accepted. */
interface RedditSubmission {
  id: string;
  account: string;
  isDone: boolean;
  readyAt: number;
  /** Absent where it never becomes one. */
  post?: Omit<LedgerPost, 'ledgerId' | 'acceptedAt'>;
}

/** What a read of a post returns besides what every ledger entry has. */
interface PostContent {
  subreddit: string;
  url: string;
  kind: 'self' | 'link' | 'image' | 'video' | 'gallery';
  assetIds: string[];
  nsfw: boolean;
  spoiler: boolean;
  flairText: string | null;
}

const maxImageBytes = 20_000_000;
const maxVideoBytes = 1_000_000_000;
const maxTextCharacters = 40_000;
const maxTitleCharacters = 300;
const maxCommentCharacters = 10_000;
const galleryItems = { min: 2, max: 20 };
const mimeTypes: Readonly<Record<Bucket, readonly string[]>> = {
  media: ['image/jpeg', 'image/png', 'image/gif'],
  video: ['video/mp4', 'video/quicktime'],
};

/** Reddit's publishing: submissions, leased uploads, lists of an account's own, comments, edits and removals. */
function createReddit(context: SandboxContext): RunningPlatform {
  const assets = context.shelf<RedditAsset>('reddit-asset');
  const submissions = context.shelf<RedditSubmission>('reddit-submission');
  /** Changed texts by id: the ledger keeps what went out. */
  const edits = context.shelf<{ id: string; text: string }>('reddit-edit');
  const rules = createRedditRules(context);

  const me: Operation = {
    name: 'reddit.me.get',
    method: 'get',
    path: '/api/v1/me',
    subject: subjectOf,
    handle(call) {
      const { externalId } = requireScope(call, 'identity');
      return jsonReply(200, { id: externalId.toLowerCase(), name: externalId, is_suspended: false });
    },
  };

  const getSubreddit: Operation = {
    name: 'reddit.subreddit.get',
    method: 'get',
    path: '/r/:subreddit/about',
    subject: subjectOf,
    handle(call) {
      requireScope(call, 'read');
      const about = rules.aboutOf(call.params.subreddit ?? '');
      // What is not there is an empty list.
      if (!about) return jsonReply(200, { kind: 'Listing', data: { after: null, dist: 0, children: [] } });
      return jsonReply(200, { kind: 't5', data: about });
    },
  };

  const getRequirements: Operation = {
    name: 'reddit.requirements.get',
    method: 'get',
    path: '/api/v1/:subreddit/post_requirements',
    subject: subjectOf,
    handle(call) {
      requireScope(call, 'submit');
      return jsonReply(200, rules.requirementsOf(call.params.subreddit ?? ''));
    },
  };

  const lease: Operation = {
    name: 'reddit.asset.lease',
    method: 'post',
    path: '/api/media/asset.json',
    subject: subjectOf,
    async handle(call) {
      const { externalId } = requireScope(call, 'submit');
      const form = formOf(call);
      const contentType = form.get('mimetype') ?? '';
      const bucket = buckets.find((name) => mimeTypes[name].includes(contentType));
      if (!form.get('filepath') || !bucket) throw failure(400, 'Bad Request');
      const id = randomBase36(13);
      const asset: RedditAsset = {
        ...{ id, key: id, owner: externalId, bucket, contentType, policy: `policy-of-${randomBase36(24)}` },
        leasedAt: context.now().getTime(),
      };
      await assets.put(id, asset);
      const action = `${context.publicUrl.replace(/^https?:/, '')}/reddit/uploads/${bucket}`;
      const fields = Object.entries(leasedFields(asset)).map(([name, value]) => ({ name, value }));
      return jsonReply(200, {
        args: { action, fields },
        asset: {
          asset_id: id,
          processing_state: 'incomplete',
          payload: { filepath: form.get('filepath') },
          websocket_url: socketOf(id),
        },
      });
    },
  };

  /** The storage is Amazon's: it knows no tokens, only the fields of a lease. */
  const upload: Operation = {
    name: 'reddit.asset.upload',
    method: 'post',
    path: '/uploads/:bucket',
    isOpen: true,
    isStreamed: true,
    subject: () => undefined,
    async handle(call) {
      const file = context.media.upload(`reddit ${call.requestId}`);
      let isFile = false;
      const fields = await readMultipart(call, async ({ field }, bytes) => {
        isFile ||= field === 'file';
        for await (const chunk of bytes) await file.append(chunk as Buffer);
      }).catch(() => undefined);
      if (!fields || !isFile) throw storageError(400, 'MalformedPOSTRequest');
      const asset = requireLease(call, fields);
      const size = await file.size();
      const limit = asset.bucket === 'video' ? maxVideoBytes : maxImageBytes;
      if (size > limit)
        throw storageError(400, 'EntityTooLarge', { ProposedSize: size, MaxSizeAllowed: limit });
      await assets.put(asset.id, { ...asset, media: await file.finish(asset.contentType) });
      const location = `${context.publicUrl}${call.rawPath}/${asset.key}`;
      return xmlReply(201, 'PostResponse', { Location: location, Bucket: asset.bucket, Key: asset.key });
    },
  };

  function requireLease(call: Call, fields: ReadonlyMap<string, string>): RedditAsset {
    if (call.headers.authorization !== undefined)
      throw storageError(400, 'InvalidArgument', { Message: 'Only one auth mechanism allowed' });
    const asset = assets.get(fields.get('key') ?? '');
    const wrong =
      asset && Object.entries(leasedFields(asset)).find(([name, value]) => fields.get(name) !== value);
    const isOver =
      asset && context.now().getTime() - asset.leasedAt > context.settings.get().uploadUrlLifetimeMs;
    if (!asset || asset.bucket !== call.params.bucket || wrong || isOver)
      throw storageError(403, 'AccessDenied');
    return asset;
  }

  const submit: Operation = {
    name(call) {
      switch (formOf(call).get('kind')) {
        case 'image':
          return 'reddit.image.submit';
        case 'video':
        case 'videogif':
          return 'reddit.video.submit';
        default:
          return 'reddit.text.submit';
      }
    },
    method: 'post',
    path: '/api/submit',
    subject: subjectOf,
    async handle(call) {
      const account = requireScope(call, 'submit');
      const form = formOf(call);
      requireForm(call, form);
      return context.serialize(`reddit ${account.externalId}`, () => accept(call, account, form));
    },
  };

  async function accept(call: Call, account: Account, form: URLSearchParams): Promise<Reply> {
    const kind = form.get('kind') ?? 'link';
    const { subreddit, title, text } = readSubmission(form);
    const url = form.get('url') ?? '';
    rules.check({ subreddit, title, text, kind, hasFlair: form.has('flair_id') || form.has('flair_text') });
    const flags = {
      nsfw: form.get('nsfw') === 'true',
      spoiler: form.get('spoiler') === 'true',
      flairText: form.get('flair_text'),
    };
    const named = { subreddit, title, text, ...flags };
    switch (kind) {
      case 'self': {
        const post = await publish(compose(call, account, { ...named, url: '', kind, assetIds: [] }, []));
        return submitted(post);
      }
      case 'link': {
        if (url === '') throw refusal('NO_URL', 'a url is required', 'url');
        if (!/^https?:\/\//.test(url) || !URL.canParse(url))
          throw refusal('BAD_URL', 'that url is invalid', 'url');
        if (form.get('resubmit') !== 'true') refuseRepeated(subreddit, url);
        return submitted(await publish(compose(call, account, { ...named, url, kind, assetIds: [] }, [])));
      }
      case 'image':
      case 'video': {
        const asset = requireAsset(account, url, kind === 'image' ? 'media' : 'video');
        if (kind === 'video') {
          const poster = form.get('video_poster_url') ?? '';
          if (poster === '')
            throw refusal(
              'MISSING_VIDEO_URLS',
              'This community requires a video link and a post link',
              'url',
            );
          requireAsset(account, poster, 'media');
        }
        if (form.get('resubmit') !== 'true') refuseRepeated(subreddit, addressOf(asset));
        const shown = { ...named, url: addressOf(asset), kind, assetIds: [asset.id] };
        return acceptMedia(call, account, asset, compose(call, account, shown, [asset.media!]));
      }
      default:
        throw refusal('INVALID_OPTION', 'that option is not valid', 'kind');
    }
  }

  function refuseRepeated(subreddit: string, url: string): void {
    const isThere = context.ledger
      .list({ platform: 'reddit' })
      .some((post) => !post.removedAt && isAt(post, subreddit) && contentOf(post).url === url);
    if (isThere) throw refusal('ALREADY_SUB', 'that link has already been submitted', 'url');
  }

  function requireAsset(account: Account, url: string, bucket: Bucket): RedditAsset {
    const asset = assets
      .list()
      .find(({ key, bucket: its }) => url === `${context.publicUrl}/reddit/uploads/${its}/${key}`);
    if (!asset?.media || asset.owner !== account.externalId || asset.bucket !== bucket)
      throw refusal('BAD_URL', 'that url is invalid', 'url');
    return asset;
  }

  /** Answers before there is a post. A file that is no picture is seen only then. */
  async function acceptMedia(
    call: Call,
    account: Account,
    asset: RedditAsset,
    post: NonNullable<RedditSubmission['post']>,
  ): Promise<Reply> {
    const { imageProcessingMs, containerProcessingMs } = context.settings.get();
    const processingMs = asset.bucket === 'media' ? imageProcessingMs : containerProcessingMs;
    const slowerMs = call.fault?.kind === 'slow-upload-processing' ? (call.fault.ms ?? 0) : 0;
    const isUsable =
      call.fault?.kind !== 'failed-processing' && (asset.bucket === 'video' || (await isPicture(asset)));
    const submission: RedditSubmission = {
      id: call.requestId,
      account: account.externalId,
      isDone: !isUsable,
      readyAt: context.now().getTime() + processingMs + slowerMs,
      ...(isUsable && { post }),
    };
    await submissions.put(submission.id, submission);
    if (isUsable) void make(submission);
    return jsonReply(200, {
      json: {
        errors: [],
        data: {
          user_submitted_page: `${context.publicUrl}/user/${account.externalId}/submitted/`,
          websocket_url: socketOf(asset.id),
        },
      },
    });
  }

  async function isPicture({ media }: RedditAsset): Promise<boolean> {
    const bytes = media && (await context.media.read(media.sha256));
    return bytes !== undefined && (await probeImage(bytes)) !== undefined;
  }

  /** Runs beside the answer. A stop leaves it to the next start. */
  async function make(submission: RedditSubmission): Promise<void> {
    const halted = context.halted();
    try {
      const remainingMs = Math.max(0, submission.readyAt - context.now().getTime());
      await sleep(remainingMs, undefined, { signal: halted });
      await context.serialize(`reddit ${submission.account}`, async () => {
        if (halted.aborted || submissions.get(submission.id)?.isDone || !submission.post) return;
        if (!context.ledger.findByPublicId('reddit', submission.post.publicId))
          await publish(submission.post);
        await submissions.put(submission.id, { ...submission, isDone: true });
      });
    } catch (error) {
      if (!halted.aborted) console.error(`sandbox: submission ${submission.id} cannot be made`, error);
    }
  }

  const submitGallery: Operation = {
    name: 'reddit.gallery.submit',
    method: 'post',
    path: '/api/submit_gallery_post.json',
    subject: subjectOf,
    async handle(call) {
      const account = requireScope(call, 'submit');
      const body = asObject(call.json);
      if (call.json === undefined) throw failure(500, 'Internal Server Error');
      return context.serialize(`reddit ${account.externalId}`, () => acceptGallery(call, account, body));
    },
  };

  async function acceptGallery(call: Call, account: Account, body: Record<string, unknown>): Promise<Reply> {
    const texts = Object.entries(body).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    const { subreddit, title, text } = readSubmission(new URLSearchParams(texts));
    const items = Array.isArray(body.items) ? body.items : [];
    if (items.length < galleryItems.min) throw refusal('TOO_SHORT', 'List is too short.', 'items');
    if (items.length > galleryItems.max) throw refusal('TOO_LONG', 'List is too long.', 'items');
    const hasFlair = 'flair_id' in body || 'flair_text' in body;
    rules.check({ subreddit, title, text, kind: 'gallery', hasFlair, items: items.length });
    const shown = items.map((item) => assets.get(stringAt(item, 'media_id') ?? ''));
    const owned = shown.filter((asset) => asset?.media && asset.owner === account.externalId);
    if (owned.length !== items.length || owned.some((asset) => asset!.bucket !== 'media'))
      throw refusal('INVALID_MEDIA_ASSET', 'The media asset is not valid', 'items');
    const content = {
      ...{
        subreddit,
        title,
        text,
        kind: 'gallery' as const,
        url: '',
        assetIds: owned.map((asset) => asset!.id),
      },
      ...{ nsfw: body.nsfw === true, spoiler: body.spoiler === true },
      flairText: stringAt(body, 'flair_text') ?? null,
    };
    const media = owned.map((asset) => asset!.media!);
    const post = await publish(compose(call, account, content, media));
    return jsonReply(200, {
      json: { errors: [], data: { url: permalinkOf(post, context.publicUrl), id: post.publicId } },
    });
  }

  function compose(
    call: Call,
    account: Account,
    { title, text, ...content }: PostContent & { title: string; text: string },
    media: StoredMedia[],
  ): NonNullable<RedditSubmission['post']> {
    const id = randomBase36(7);
    const url = content.kind === 'gallery' ? `https://www.reddit.com/gallery/${id}` : content.url;
    const slug =
      title
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '_')
        .replace(/^_|_$/g, '')
        .slice(0, 50) || 'post';
    return {
      platform: 'reddit',
      externalId: account.externalId,
      accountName: account.name,
      postType: postTypes[content.kind],
      text,
      rawText: text,
      altTexts: media.map(() => null),
      media,
      publicId: `t3_${id}`,
      receivedAt: call.receivedAt.toISOString(),
      requestId: call.requestId,
      rawBody: redactText(call.body.toString('utf8')),
      shortcode: `/r/${content.subreddit}/comments/${id}/${slug}/`,
      title,
      content: { ...content, url } satisfies PostContent,
    };
  }

  const publish = (post: NonNullable<RedditSubmission['post']>): Promise<LedgerPost> =>
    context.ledger.add({ ...post, acceptedAt: context.now().toISOString() });

  const submitted = (post: LedgerPost): Reply =>
    jsonReply(200, {
      json: {
        errors: [],
        data: {
          url: permalinkOf(post, context.publicUrl),
          drafts_count: 0,
          id: post.publicId.replace('t3_', ''),
          name: post.publicId,
        },
      },
    });

  /** What the account has there, newest first, as a listing that is gone through by the id of its last thing. */
  function listOwn(call: Call, isListed: (post: LedgerPost) => boolean): Reply {
    const account = requireScope(call, 'history');
    if (call.params.user?.toLowerCase() !== account.externalId.toLowerCase()) throw failure(403, 'Forbidden');
    const limit = Math.min(100, Number(call.query.get('limit') ?? 25) || 25);
    const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
    const posts = context.ledger
      .list({ platform: 'reddit', externalId: account.externalId })
      .filter((post) => isListed(post) && !post.removedAt && Date.parse(post.acceptedAt) <= shownBefore)
      .reverse();
    const after = call.query.get('after');
    const start = after ? posts.findIndex(({ publicId }) => publicId === after) + 1 : 0;
    const page = posts.slice(start, start + limit);
    const hasMore = start + page.length < posts.length;
    return jsonReply(200, {
      kind: 'Listing',
      data: { after: hasMore ? page.at(-1)!.publicId : null, dist: page.length, children: page.map(render) },
    });
  }

  const listPosts: Operation = {
    name: 'reddit.posts.list',
    method: 'get',
    path: '/user/:user/submitted',
    subject: subjectOf,
    handle: (call) => listOwn(call, ({ postType }) => postType !== 'REPLY'),
  };

  const listComments: Operation = {
    name: 'reddit.comments.list',
    method: 'get',
    path: '/user/:user/comments',
    subject: subjectOf,
    handle: (call) => listOwn(call, ({ postType }) => postType === 'REPLY'),
  };

  const getInfo: Operation = {
    name: 'reddit.info.get',
    method: 'get',
    path: '/api/info',
    subject: subjectOf,
    handle(call) {
      requireScope(call, 'read');
      const things = (call.query.get('id') ?? '')
        .split(',')
        .map((id) => context.ledger.findByPublicId('reddit', id))
        .filter((post): post is LedgerPost => post !== undefined && !post.removedAt);
      return jsonReply(200, {
        kind: 'Listing',
        data: { after: null, dist: things.length, children: things.map(render) },
      });
    },
  };

  function render(post: LedgerPost): Record<string, unknown> {
    const text = edits.get(post.publicId)?.text ?? post.text;
    const shared = {
      id: post.publicId.slice(3),
      name: post.publicId,
      author: post.externalId,
      permalink: post.shortcode,
      created_utc: Math.floor(Date.parse(post.acceptedAt) / 1_000),
      edited: edits.get(post.publicId) !== undefined,
    };
    if (post.postType === 'REPLY')
      return { kind: 't1', data: { ...shared, parent_id: post.parentId, body: text } };
    const { subreddit, url, kind, assetIds, nsfw, spoiler, flairText } = contentOf(post);
    return {
      kind: 't3',
      data: {
        ...shared,
        subreddit,
        title: post.title,
        selftext: text,
        url: url === '' ? permalinkOf(post, context.publicUrl) : url,
        is_self: kind === 'self',
        is_video: kind === 'video',
        over_18: nsfw,
        spoiler,
        link_flair_text: flairText,
        ...(kind === 'gallery' && {
          is_gallery: true,
          gallery_data: { items: assetIds.map((media_id, id) => ({ media_id, id })) },
        }),
        removed_by_category: null,
      },
    };
  }

  const comment: Operation = {
    name: 'reddit.comment.create',
    method: 'post',
    path: '/api/comment',
    subject: subjectOf,
    async handle(call) {
      const account = requireScope(call, 'submit');
      const form = formOf(call);
      requireForm(call, form);
      const parent = context.ledger.findByPublicId('reddit', form.get('thing_id') ?? '');
      if (!parent) throw refusal('NO_THING_ID', 'id not specified', 'parent');
      if (parent.removedAt) throw refusal('DELETED_LINK', 'that link has been deleted', 'parent');
      const text = form.get('text') ?? '';
      if (text.trim() === '') throw refusal('NO_TEXT', 'we need something here', 'text');
      if ([...text].length > maxCommentCharacters)
        throw refusal('TOO_LONG', `this is too long (max: ${maxCommentCharacters})`, 'text');
      const id = randomBase36(7);
      const post = await context.ledger.add({
        platform: 'reddit',
        externalId: account.externalId,
        accountName: account.name,
        postType: 'REPLY',
        text,
        rawText: text,
        altTexts: [],
        media: [],
        publicId: `t1_${id}`,
        parentId: parent.publicId,
        receivedAt: call.receivedAt.toISOString(),
        acceptedAt: context.now().toISOString(),
        requestId: call.requestId,
        rawBody: redactText(call.body.toString('utf8')),
        shortcode: `${/^\/r\/[^/]+\/comments\/[^/]+\/[^/]+\//.exec(parent.shortcode ?? '')?.[0] ?? '/'}${id}/`,
      });
      return jsonReply(200, { json: { errors: [], data: { things: [render(post)] } } });
    },
  };

  const edit: Operation = {
    name: 'reddit.text.edit',
    method: 'post',
    path: '/api/editusertext',
    subject: subjectOf,
    async handle(call) {
      const account = requireScope(call, 'edit');
      const form = formOf(call);
      requireForm(call, form);
      const post = context.ledger.findByPublicId('reddit', form.get('thing_id') ?? '');
      if (!post || post.removedAt || post.externalId !== account.externalId)
        throw refusal('NO_THING_ID', 'id not specified', 'thing_id');
      if (post.postType !== 'REPLY' && contentOf(post).kind !== 'self')
        throw refusal('placeholder', "This post can't be edited", 'text');
      const text = form.get('text') ?? '';
      await edits.put(post.publicId, { id: post.publicId, text });
      await context.ledger.amend(post.ledgerId, { text }, context.now());
      return jsonReply(200, { json: { errors: [], data: { things: [render(post)] } } });
    },
  };

  /** Deleting what is not there is no error. */
  const remove: Operation = {
    name: 'reddit.thing.delete',
    method: 'post',
    path: '/api/del',
    subject: subjectOf,
    async handle(call) {
      const account = requireScope(call, 'edit');
      const post = context.ledger.findByPublicId('reddit', formOf(call).get('id') ?? '');
      if (post && !post.removedAt && post.externalId === account.externalId)
        await context.ledger.remove(post.ledgerId, context.now());
      return jsonReply(200, {});
    },
  };

  return {
    platform: 'reddit',
    basePath: '/reddit',
    operations: [
      ...[me, getSubreddit, getRequirements, lease, upload, submit, submitGallery],
      ...[listPosts, listComments, getInfo, comment, edit, remove],
    ],
    authenticate: (call) => authenticate(context, call),
    faultReplies: {
      refuse: ({ status, code, message }) => {
        const text = message ?? "You aren't allowed to post there.";
        if (status !== undefined && status !== 200) return errorReply(status, text, { reason: code });
        return errorsReply(String(code ?? 'SUBREDDIT_NOTALLOWED'), text, 'sr');
      },
      throttle,
      expiredToken,
      serverError: ({ status, message }) => errorReply(status ?? 500, message ?? 'Internal Server Error'),
    },
    unknownPath: () => errorReply(404, 'Not Found'),
    commonHeaders: () => ({
      'x-ratelimit-used': '4',
      'x-ratelimit-remaining': '996.0',
      'x-ratelimit-reset': '300',
    }),
    clear() {
      for (const shelf of [assets, submissions, edits]) shelf.clear();
    },
    resume() {
      for (const submission of submissions.list()) if (!submission.isDone) void make(submission);
    },
  };
}

const postTypes = {
  self: 'TEXT_ONLY',
  link: 'TEXT_ONLY',
  image: 'SINGLE_IMAGE',
  video: 'VIDEO',
  gallery: 'CAROUSEL',
} as const;

const contentOf = (post: LedgerPost): PostContent => post.content as PostContent;

const isAt = (post: LedgerPost, subreddit: string): boolean =>
  post.postType !== 'REPLY' && contentOf(post).subreddit.toLowerCase() === subreddit.toLowerCase();

/** Under what address Reddit shows an upload: it has the upload's id. */
function addressOf({ id, contentType }: RedditAsset): string {
  if (contentType.startsWith('video/')) return `https://v.redd.it/${id}`;
  const extension = contentType.replace('image/', '').replace('jpeg', 'jpg');
  return `https://i.redd.it/${id}.${extension}`;
}

const leasedFields = ({ key, contentType, policy }: RedditAsset): Record<string, string> => ({
  acl: 'private',
  key,
  success_action_status: '201',
  'Content-Type': contentType,
  policy,
});

/** Nobody serves it here; clients are told not to depend on it. */
const socketOf = (assetId: string): string => `wss://k8s-lb.wss.redditmedia.com/${assetId}?m=AQAAsandbox`;

function authenticate(context: SandboxContext, call: Call): Account[] {
  // Reddit throttles agents that many share until they hardly get through.
  if (!/^[^:\s]+:[^:\s]+:\S+ \(by \/u\/[\w-]+\)$/.test(call.headers['user-agent'] ?? ''))
    throw failure(429, 'Too Many Requests');
  return accountsOfBearer(context, 'reddit', call, expiredToken);
}

const subjectOf = (call: Call): string | undefined => call.accounts[0]?.externalId;

function requireScope(call: Call, scope: string): Account {
  const account = call.accounts[0]!;
  if (account.scopes.includes(scope)) return account;
  const challenge = { 'www-authenticate': 'Bearer realm="reddit", error="insufficient_scope"' };
  throw new Refusal(errorReply(403, 'Forbidden', {}, challenge));
}

function requireForm(call: Call, form: URLSearchParams): void {
  const isForm = call.headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  // Without it Reddit answers in a shape for pages.
  if (!isForm || form.get('api_type') !== 'json') throw failure(400, 'Bad Request');
}

function readSubmission(form: URLSearchParams): { subreddit: string; title: string; text: string } {
  const subreddit = form.get('sr') ?? '';
  if (subreddit === '') throw refusal('SUBREDDIT_REQUIRED', 'you must specify a community', 'sr');
  if (!/^[A-Za-z0-9_-]{2,23}$/.test(subreddit))
    throw refusal('BAD_SR_NAME', 'that name is not going to work', 'sr');
  const title = (form.get('title') ?? '').trim();
  const text = form.get('text') ?? '';
  if (title === '') throw refusal('NO_TEXT', 'we need something here', 'title');
  if ([...title].length > maxTitleCharacters)
    throw refusal('TOO_LONG', `this is too long (max: ${maxTitleCharacters})`, 'title');
  if ([...text].length > maxTextCharacters)
    throw refusal('TOO_LONG', `this is too long (max: ${maxTextCharacters})`, 'text');
  return { subreddit, title, text };
}

const randomBase36 = (length: number): string =>
  Array.from({ length }, () => randomInt(36).toString(36)).join('');
