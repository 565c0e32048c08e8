import type { Account } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import { type LedgerPost, type PostType, permalinkOf } from '../ledger.ts';
import { probeImage, type StoredMedia } from '../media.ts';
import { oauthOperations } from '../oauth-definition.ts';
import type { RunningPlatform, SandboxPlatform } from '../platform.ts';
import { asObject, type Call, jsonReply, type Operation, type Reply, stringAt } from '../protocol.ts';
import { redactText } from '../requests.ts';
import { createPersonReads, facebookLogin, isPersonal } from './facebook-login.ts';
import { createVideos, type FacebookVideo, invalid, requireText } from './facebook-videos.ts';
import {
  authenticate,
  errorReply,
  gone,
  graphFaultReplies,
  graphTime,
  isFetchableUrl,
  ownerOf,
  type Parameters,
  pageOf,
  pick,
  randomDigits,
  readBoolean,
  readFields,
  readParameters,
  readText,
  refusal,
  requireAccount,
  requireScope,
  requireVersion,
  select,
  speaksFor,
} from './graph.ts';

const finishes = [
  'facebook.videos.finish',
  'facebook.video_reels.finish',
  'facebook.video_stories.finish',
] as const;

export const facebook = {
  name: 'Facebook',
  kinds: {
    page: {
      id: /^\d+$/,
      scopes: [
        'pages_show_list',
        'pages_read_engagement',
        'pages_manage_posts',
        'pages_manage_engagement',
        'pages_read_user_content',
      ],
    },
  },
  operations: [
    ...oauthOperations('facebook'),
    'facebook.photos.create',
    'facebook.feed.create',
    'facebook.videos.start',
    'facebook.videos.transfer',
    'facebook.video_reels.start',
    'facebook.video_stories.start',
    'facebook.video.upload',
    ...finishes,
    'facebook.photo_stories.create',
    'facebook.published_posts.list',
    'facebook.stories.list',
    'facebook.comments.create',
    'facebook.comments.list',
    'facebook.app.get',
    'facebook.video.get',
    'facebook.post.get',
    'facebook.post.update',
    'facebook.post.delete',
    'facebook.pages.list',
    'facebook.permissions.list',
    'facebook.businesses.list',
  ] as const,
  oauth: facebookLogin,
  processing: { 'slow-container': finishes, 'failed-processing': finishes },
  permalinkOf: (post, publicUrl) => `${publicUrl}${addressOf(post)}`,
  create: createFacebook,
} satisfies SandboxPlatform;

function addressOf({ postType, publicId, externalId, parentId }: LedgerPost): string {
  if (postType === 'REEL') return `/reel/${publicId}/`;
  if (postType === 'VIDEO') return `/${externalId}/videos/${publicId}/`;
  if (postType === 'STORY') return `/stories/${publicId}`;
  return postType === 'REPLY' ? `/${parentId}?comment_id=${publicId}` : `/${publicId}`;
}

/** A photo that was uploaded and stands in no post until one names it. */
interface FacebookPhoto {
  id: string;
  page: string;
  altText: string | null;
  media: StoredMedia;
}

/** What a post of the feed was made of. */
interface FeedContent {
  photoIds: string[];
  link?: string;
}

const personalPath = /\/me\/(accounts|permissions|businesses)$/;
const maxMessageCharacters = 63_206;
const maxCommentCharacters = 8_000;
const maxPhotoBytes = 10 * 1024 * 1024;
const maxTitleCharacters = 255;
/** By the documents "30 API-published posts within a 24-hour moving period"; with which code it is refused they do not say. */
const reelsPerDay = 30;
const dayMs = 86_400_000;
const defaultApplicationId = '1000000000000000';
const codes = {
  badImage: { code: 324 },
  duplicate: { code: 506 },
  alreadyPosted: { code: 100, subcode: 1366051 },
  blocked: { code: 368, subcode: 1346003 },
  tooManyReels: { code: 613 },
} as const;
const feedTypes: readonly PostType[] = ['TEXT_ONLY', 'SINGLE_IMAGE', 'CAROUSEL', 'VIDEO', 'REEL'];
const postFields = ['id', 'message', 'created_time', 'permalink_url', 'application', 'attachments', 'from'];
const videoFields = ['id', 'status', 'permalink_url', 'description', 'title', 'created_time'];
const storyFields = ['post_id', 'status', 'creation_time', 'media_type', 'media_id', 'url'];

/** Facebook's publishing to pages over the Graph API: posts, photos, videos, reels, stories, comments. */
function createFacebook(context: SandboxContext): RunningPlatform {
  const photos = context.shelf<FacebookPhoto>('facebook-photo');
  const edits = context.shelf<{ id: string; text: string }>('facebook-edit');
  const videos = createVideos(context);
  const oneAtATime = <T>({ externalId }: Account, work: () => Promise<T>): Promise<T> =>
    context.serialize(`facebook ${externalId}`, work);

  const createPhoto: Operation = {
    name: 'facebook.photos.create',
    method: 'post',
    path: '/:version/:id/photos',
    subject: ownerOf,
    async handle(call) {
      const account = requirePage(call, 'pages_manage_posts');
      const parameters = readParameters(call);
      const url = requireText(parameters, 'url');
      if (!isFetchableUrl(url)) throw invalid('url should represent a valid URL');
      if (readBoolean(parameters.published ?? true))
        throw invalid('The sandbox takes photos with published=false');
      const bytes = await fetchPhoto(url);
      const facts = bytes && (await probeImage(bytes));
      if (!bytes || !facts) throw refusal(400, codes.badImage, '(#324) Missing or invalid image file');
      const photo: FacebookPhoto = {
        id: `12${randomDigits(14)}`,
        page: account.externalId,
        altText: readText(parameters.alt_text_custom) ?? null,
        media: await context.media.put(bytes, facts.contentType),
      };
      await photos.put(photo.id, photo);
      return jsonReply(200, { id: photo.id });
    },
  };

  /** As the platform fetches it; `undefined` for what cannot be had or is too large. */
  async function fetchPhoto(url: string): Promise<Buffer | undefined> {
    const timeout = AbortSignal.timeout(context.settings.get().mediaFetchTimeoutMs);
    try {
      const response = await context.fetch(url, {
        headers: { 'user-agent': 'facebookexternalhit/1.1' },
        redirect: 'manual',
        signal: AbortSignal.any([timeout, context.halted()]),
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      return response.status === 200 && bytes.length <= maxPhotoBytes ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  const createPost: Operation = {
    name: 'facebook.feed.create',
    method: 'post',
    path: '/:version/:id/feed',
    subject: ownerOf,
    handle(call) {
      const account = requirePage(call, 'pages_manage_posts');
      return oneAtATime(account, () => acceptPost(call, account, readParameters(call)));
    },
  };

  /** Runs one at a time per page, so of two equal texts one is the duplicate. */
  async function acceptPost(call: Call, account: Account, parameters: Parameters): Promise<Reply> {
    const message = readText(parameters.message) ?? '';
    const link = readText(parameters.link);
    if ([...message].length > maxMessageCharacters)
      throw invalid(`The message has more than ${maxMessageCharacters} characters`);
    if (link !== undefined && !URL.canParse(link)) throw invalid('link should represent a valid URL');
    if (parameters.published !== undefined && String(parameters.published) !== 'true')
      throw invalid('The sandbox takes published posts only');
    const pictures = readAttachedMedia(parameters.attached_media, account);
    if (message.trim() === '' && link === undefined && pictures.length === 0)
      throw invalid('You must provide one of: message, link, attached_media');
    if (pictures.length === 0 && hasDuplicate(account, message, link))
      throw refusal(400, codes.duplicate, '(#506) Duplicate status message');
    const content: FeedContent = { photoIds: pictures.map(({ id }) => id), ...(link ? { link } : {}) };
    const publicId = `${account.externalId}_${randomDigits(15)}`;
    await addToLedger(call, account, {
      postType: pictures.length === 0 ? 'TEXT_ONLY' : pictures.length === 1 ? 'SINGLE_IMAGE' : 'CAROUSEL',
      text: message,
      altTexts: pictures.map(({ altText }) => altText),
      media: pictures.map(({ media }) => media),
      publicId,
      content,
    });
    return jsonReply(200, { id: publicId });
  }

  /** `[{"media_fbid":"1"}]`, also as text. */
  function readAttachedMedia(value: unknown, account: Account): FacebookPhoto[] {
    if (value === undefined) return [];
    const list = typeof value === 'string' ? parseJson(value) : value;
    if (!Array.isArray(list)) throw invalid('attached_media must be an array');
    return list.map((item: unknown) => requireUnusedPhoto(stringAt(item, 'media_fbid') ?? '', account));
  }

  function requireUnusedPhoto(id: string, account: Account): FacebookPhoto {
    const photo = photos.get(id);
    if (!photo || photo.page !== account.externalId) throw gone(id);
    const isUsed = postsOf(account.externalId).some(
      (post) => post.handle === id || feedContentOf(post).photoIds.includes(id),
    );
    if (isUsed) throw refusal(400, codes.alreadyPosted, 'These photos were already posted.');
    return photo;
  }

  function hasDuplicate({ externalId }: Account, message: string, link: string | undefined): boolean {
    const since = context.now().getTime() - context.settings.get().duplicateWindowMs;
    return postsOf(externalId).some(
      (post) =>
        post.postType === 'TEXT_ONLY' &&
        post.text === message &&
        feedContentOf(post).link === link &&
        Date.parse(post.acceptedAt) > since,
    );
  }

  function addToLedger(
    call: Call,
    account: Account,
    post: Pick<LedgerPost, 'postType' | 'text' | 'altTexts' | 'media' | 'publicId'> & Partial<LedgerPost>,
  ): Promise<LedgerPost> {
    return context.ledger.add({
      platform: 'facebook',
      externalId: account.externalId,
      accountName: account.name,
      rawText: post.text,
      receivedAt: call.receivedAt.toISOString(),
      acceptedAt: context.now().toISOString(),
      requestId: call.requestId,
      rawBody: redactText(call.body.toString('utf8')),
      ...post,
    });
  }

  /** What stands on the page now. */
  const postsOf = (externalId: string): LedgerPost[] =>
    context.ledger.list({ platform: 'facebook', externalId }).filter(({ removedAt }) => !removedAt);

  const createPhotoStory: Operation = {
    name: 'facebook.photo_stories.create',
    method: 'post',
    path: '/:version/:id/photo_stories',
    subject: ownerOf,
    handle(call) {
      const account = requirePage(call, 'pages_manage_posts');
      return oneAtATime(account, async () => {
        const photo = requireUnusedPhoto(requireText(readParameters(call), 'photo_id'), account);
        const { id: handle, media, altText } = photo;
        return addStory(call, account, { handle, media: [media], altTexts: [altText] });
      });
    },
  };

  async function addStory(
    call: Call,
    account: Account,
    story: Pick<LedgerPost, 'handle' | 'media' | 'altTexts'>,
  ): Promise<Reply> {
    const publicId = randomDigits(16);
    await addToLedger(call, account, { postType: 'STORY', text: '', publicId, ...story });
    return jsonReply(200, { success: true, post_id: publicId });
  }

  /** The edges that take a video in phases. What a client sends tells which phase it is. */
  const videoEdge = (edge: FacebookVideo['edge']): Operation => ({
    name: (call) =>
      isMultipart(call) && edge === 'videos'
        ? 'facebook.videos.transfer'
        : `facebook.${edge}.${readParameters(call).upload_phase === 'finish' ? 'finish' : 'start'}`,
    method: 'post',
    path: `/:version/:id/${edge}`,
    subject: ownerOf,
    handle(call) {
      const account = requirePage(call, 'pages_manage_posts');
      if (isMultipart(call)) return oneAtATime(account, () => videos.transfer(call, account));
      const parameters = readParameters(call);
      const phase = requireText(parameters, 'upload_phase');
      if (phase === 'start') return videos.start(account, edge, parameters, call.params.version ?? '');
      if (phase === 'finish') return oneAtATime(account, () => finishVideo(call, account, edge, parameters));
      throw invalid(`The sandbox has no phase ${phase} here`);
    },
  });

  async function finishVideo(
    call: Call,
    account: Account,
    edge: FacebookVideo['edge'],
    parameters: Parameters,
  ): Promise<Reply> {
    const video = await videos.requireFinishable(account, edge, parameters);
    const [text, title] = [readText(parameters.description) ?? '', readText(parameters.title)];
    if ([...(title ?? '')].length >= maxTitleCharacters)
      throw invalid(`The title must be less than ${maxTitleCharacters} characters`);
    if (edge === 'video_reels' && countReels(account) >= reelsPerDay)
      throw refusal(403, codes.tooManyReels, '(#613) Calls to this api have exceeded the rate limit.');
    if (edge === 'video_reels' && requireText(parameters, 'video_state') !== 'PUBLISHED')
      throw invalid('The sandbox takes video_state PUBLISHED only');
    const entry = { handle: video.id, media: [video.media], altTexts: [null] };
    const isStory = edge === 'video_stories';
    if (call.fault?.kind === 'failed-processing') {
      await videos.finish(video, call.fault);
      return jsonReply(200, { success: true, ...(isStory && { post_id: randomDigits(16) }) });
    }
    const reply = isStory ? await addStory(call, account, entry) : jsonReply(200, { success: true });
    if (!isStory) {
      const texts = { text, ...(title === undefined ? {} : { title }) };
      const postType = edge === 'videos' ? 'VIDEO' : 'REEL';
      await addToLedger(call, account, { postType, publicId: video.id, ...texts, ...entry });
    }
    await videos.finish(video, call.fault);
    return reply;
  }

  function countReels({ externalId }: Account): number {
    const since = context.now().getTime() - dayMs;
    return context.ledger
      .list({ platform: 'facebook', externalId })
      .filter((post) => post.postType === 'REEL' && Date.parse(post.acceptedAt) > since).length;
  }

  const listPosts: Operation = {
    name: 'facebook.published_posts.list',
    method: 'get',
    path: '/:version/:id/published_posts',
    subject: ownerOf,
    handle(call) {
      const account = requirePage(call, 'pages_read_engagement');
      const fields = readFields(call, postFields, ['id', 'message', 'created_time']);
      const posts = shownPosts(account).filter(({ postType }) => feedTypes.includes(postType));
      return pageOf(call, posts, (post) => select(renderPost(post, account), fields));
    },
  };

  /** Newest first, without what is still processed or what the lists do not show yet. */
  function shownPosts({ externalId }: Account): LedgerPost[] {
    const now = context.now().getTime();
    return postsOf(externalId)
      .filter(({ acceptedAt }) => Date.parse(acceptedAt) <= now - context.settings.get().listDelayMs)
      .filter(({ handle }) => videos.readyAt(handle ?? '') <= now)
      .reverse();
  }

  const listStories: Operation = {
    name: 'facebook.stories.list',
    method: 'get',
    path: '/:version/:id/stories',
    subject: ownerOf,
    handle(call) {
      const account = requirePage(call, 'pages_read_engagement');
      const fields = readFields(call, storyFields, storyFields);
      const since = context.now().getTime() - dayMs;
      const stories = shownPosts(account).filter(
        ({ postType, acceptedAt }) => postType === 'STORY' && Date.parse(acceptedAt) > since,
      );
      return pageOf(call, stories, (post) => pick(renderStory(post), fields));
    },
  };

  function renderStory(post: LedgerPost): Record<string, unknown> {
    return {
      post_id: post.publicId,
      status: 'PUBLISHED',
      creation_time: String(Math.floor(Date.parse(post.acceptedAt) / 1000)),
      media_type: post.media[0]?.contentType.startsWith('video/') ? 'video' : 'photo',
      media_id: post.handle,
      url: permalinkOf(post, context.publicUrl),
    };
  }

  function renderPost(post: LedgerPost, account: Account): Record<string, unknown> {
    const text = edits.get(post.publicId)?.text ?? post.text;
    const isVideo = post.postType === 'VIDEO' || post.postType === 'REEL';
    return {
      id: isVideo ? `${post.externalId}_${post.publicId}` : post.publicId,
      ...(text === '' ? {} : { message: text }),
      created_time: graphTime(post.acceptedAt),
      permalink_url: permalinkOf(post, context.publicUrl),
      application: { id: applicationOf(account) },
      from: { id: post.externalId, name: post.accountName },
      ...renderAttachments(post, isVideo),
    };
  }

  function renderAttachments(post: LedgerPost, isVideo: boolean): Record<string, unknown> {
    const { photoIds, link } = feedContentOf(post);
    const one = (type: string, id: string) => ({ type, target: { id } });
    if (isVideo) return { attachments: { data: [one('video_inline', post.publicId)] } };
    if (photoIds.length === 1) return { attachments: { data: [one('photo', photoIds[0]!)] } };
    if (photoIds.length > 1) {
      const subattachments = { data: photoIds.map((id) => one('photo', id)) };
      const album = { ...one('album', post.publicId.split('_')[1] ?? post.publicId), subattachments };
      return { attachments: { data: [album] } };
    }
    return link ? { attachments: { data: [{ type: 'share', url: link }] } } : {};
  }

  const createComment: Operation = {
    name: 'facebook.comments.create',
    method: 'post',
    path: '/:version/:id/comments',
    subject: (call) => standing(call.params.id)?.externalId,
    handle(call) {
      requireVersion(call);
      const { post, account } = requireStanding(call, call.params.id, 'pages_manage_engagement');
      if (post.postType === 'STORY') throw gone(post.publicId);
      return oneAtATime(account, async () => {
        const message = requireText(readParameters(call), 'message');
        if ([...message].length > maxCommentCharacters)
          throw invalid(`A comment has at most ${maxCommentCharacters} characters`);
        const publicId = `${post.publicId.split('_').at(-1)}_${randomDigits(15)}`;
        const parentId = post.publicId;
        await addToLedger(call, account, {
          ...{ postType: 'REPLY', text: message, altTexts: [], media: [], publicId, parentId },
        });
        return jsonReply(200, { id: publicId });
      });
    },
  };

  const listComments: Operation = {
    name: 'facebook.comments.list',
    method: 'get',
    path: '/:version/:id/comments',
    subject: (call) => standing(call.params.id)?.externalId,
    handle(call) {
      requireVersion(call);
      const { post, account } = requireStanding(call, call.params.id, 'pages_read_engagement');
      const fields = readFields(call, [...postFields, 'parent'], ['id', 'message', 'created_time', 'from']);
      const comments = shownPosts(account).filter(
        ({ postType, parentId }) => postType === 'REPLY' && parentId === post.publicId,
      );
      if (call.query.get('order') !== 'reverse_chronological') comments.reverse();
      return pageOf(call, comments, (comment) => select(renderPost(comment, account), fields));
    },
  };

  function standing(id: string | undefined): LedgerPost | undefined {
    const post = context.ledger.findByPublicId('facebook', id ?? '');
    return post?.removedAt ? undefined : post;
  }

  /** A post, video, story or comment of a page that the token speaks for. */
  function requireStanding(
    call: Call,
    id: string | undefined,
    scope: string,
  ): { post: LedgerPost; account: Account } {
    const post = standing(id);
    const account = call.accounts.find(({ externalId }) => externalId === post?.externalId);
    if (!post || !account) throw gone(id ?? '');
    requireScope(account, scope);
    return { post, account };
  }

  /** One path reads posts, videos and the token's application. */
  const getNode: Operation = {
    name(call) {
      if (call.params.id === 'app') return 'facebook.app.get';
      return videos.get(call.params.id ?? '') ? 'facebook.video.get' : 'facebook.post.get';
    },
    method: 'get',
    path: '/:version/:id',
    subject: (call) => nodeOwner(call.params.id) ?? call.accounts[0]?.externalId,
    async handle(call) {
      requireVersion(call);
      const id = call.params.id ?? '';
      if (id === 'app') return jsonReply(200, { id: applicationOf(call.accounts[0]) });
      const video = videos.get(id);
      if (video) return jsonReply(200, await renderVideo(call, video));
      const { post, account } = requireStanding(call, id, 'pages_read_engagement');
      const fields = readFields(call, postFields, ['id', 'message', 'created_time']);
      return jsonReply(200, select(renderPost(post, account), fields));
    },
  };

  const nodeOwner = (id = ''): string | undefined => videos.get(id)?.page ?? standing(id)?.externalId;

  async function renderVideo(call: Call, video: FacebookVideo): Promise<Record<string, unknown>> {
    const post = context.ledger.findByHandle('facebook', video.id);
    if (!speaksFor(call, video.page) || post?.removedAt) throw gone(video.id);
    const fields = readFields(call, videoFields, ['id']);
    const text = edits.get(video.id)?.text ?? post?.text;
    const node = {
      id: video.id,
      status: await videos.renderStatus(video),
      // Without a host, as the platform may write it.
      permalink_url: video.edge === 'videos' ? `/${video.page}/videos/${video.id}/` : `/reel/${video.id}/`,
      ...(text ? { description: text } : {}),
      ...(post?.title ? { title: post.title } : {}),
      created_time: graphTime(new Date(video.createdAt).toISOString()),
    };
    return select(node, fields);
  }

  const updateNode: Operation = {
    name: 'facebook.post.update',
    method: 'post',
    path: '/:version/:id',
    subject: (call) => nodeOwner(call.params.id),
    async handle(call) {
      requireVersion(call);
      const { post } = requireStanding(call, call.params.id, 'pages_manage_posts');
      const isVideo = post.postType === 'VIDEO' || post.postType === 'REEL';
      const text = requireText(readParameters(call), isVideo ? 'description' : 'message');
      if (post.postType === 'STORY') throw gone(post.publicId);
      await edits.put(post.publicId, { id: post.publicId, text });
      await context.ledger.amend(post.ledgerId, { text }, context.now());
      return jsonReply(200, { success: true });
    },
  };

  const deleteNode: Operation = {
    name: 'facebook.post.delete',
    method: 'delete',
    path: '/:version/:id',
    subject: (call) => nodeOwner(call.params.id),
    async handle(call) {
      requireVersion(call);
      const { post } = requireStanding(call, call.params.id, 'pages_manage_posts');
      await context.ledger.remove(post.ledgerId, context.now());
      return jsonReply(200, { success: true });
    },
  };

  return {
    platform: 'facebook',
    basePath: '/facebook',
    operations: [
      videos.upload,
      createPhoto,
      createPost,
      videoEdge('videos'),
      videoEdge('video_reels'),
      videoEdge('video_stories'),
      createPhotoStory,
      listPosts,
      listStories,
      createComment,
      listComments,
      ...createPersonReads(context, 'facebook', ({ externalId }) => ({ id: externalId })),
      getNode,
      updateNode,
      deleteNode,
    ],
    authenticate(call) {
      const accounts = authenticate(context, 'facebook', call);
      // What is a page's is done with the page's own token.
      if (isPersonal(context, 'facebook', call) && !personalPath.test(call.rawPath))
        throw refusal(403, { code: 210 }, '(#210) A page access token is required to request this resource.');
      return accounts;
    },
    faultReplies: graphFaultReplies(
      codes.blocked,
      'The action attempted has been deemed abusive or is otherwise disallowed',
    ),
    unknownPath: (call) =>
      errorReply(400, { code: 2500 }, `Unknown path components: ${call.rawPath.replace('/facebook', '')}`),
    commonHeaders: (call) => ({
      'facebook-api-version': call.params.version ?? 'v26.0',
      'x-fb-request-id': call.requestId,
    }),
    clear() {
      photos.clear();
      edits.clear();
      videos.clear();
    },
  };
}

const isMultipart = (call: Call): boolean =>
  call.headers['content-type']?.startsWith('multipart/form-data') ?? false;

const applicationOf = (account: Account | undefined): string => account?.appId ?? defaultApplicationId;

function requirePage(call: Call, scope: string): Account {
  const account = requireAccount(call);
  requireScope(account, scope);
  return account;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function feedContentOf({ content }: LedgerPost): FeedContent {
  const { photoIds, link } = asObject(content);
  return {
    photoIds: Array.isArray(photoIds) ? photoIds.map(String) : [],
    ...(typeof link === 'string' ? { link } : {}),
  };
}
