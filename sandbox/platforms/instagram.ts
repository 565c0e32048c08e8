import type { Account } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import { type LedgerPost, type PostType, permalinkOf } from '../ledger.ts';
import { oauthOperations, type SandboxOAuth } from '../oauth-definition.ts';
import type { RunningPlatform, SandboxPlatform } from '../platform.ts';
import { asObject, type Call, jsonReply, type Operation, type Reply } from '../protocol.ts';
import { redactText } from '../requests.ts';
import { type Container, type ContainerStatus, createContainers } from './containers.ts';
import { createPersonReads, facebookLogin } from './facebook-login.ts';
import {
  authenticate,
  countMatches,
  errorReply,
  type GraphCode,
  graphFaultReplies,
  graphTime,
  isFetchableUrl,
  ownerOf,
  type Parameters,
  pageOf,
  pick,
  randomDigits,
  randomShortcode,
  readBoolean,
  readFields,
  readList,
  readParameters,
  readText,
  refusal,
  requireAccount,
  requireScope,
  requireVersion,
  select,
  speaksFor,
  usernameOf,
} from './graph.ts';
import { createComments } from './instagram-comments.ts';
import { metaLogin } from './meta-login.ts';
import { createUploadHost, maxUploadBytes } from './upload-host.ts';

// https://developers.facebook.com/documentation/instagram-platform/instagram-api-with-instagram-login/business-login (second-hand)
const instagramLogin: SandboxOAuth = {
  ...metaLogin('ig'),
  kinds: ['professional'],
  tokenBody: ({ accessToken, expiresInSeconds, externalIds, scopes, grant }) =>
    grant === 'code'
      ? {
          data: [
            { access_token: accessToken, user_id: externalIds[0] ?? null, permissions: scopes.join(',') },
          ],
        }
      : { access_token: accessToken, token_type: 'bearer', expires_in: expiresInSeconds },
};

export const instagram = {
  name: 'Instagram',
  kinds: {
    business: {
      id: /^\d+$/,
      scopes: [
        'instagram_basic',
        'instagram_content_publish',
        'instagram_manage_comments',
        'pages_show_list',
        'pages_read_engagement',
      ],
    },
    professional: {
      id: /^\d+$/,
      scopes: [
        'instagram_business_basic',
        'instagram_business_content_publish',
        'instagram_business_manage_comments',
      ],
    },
  },
  operations: [
    ...oauthOperations('instagram'),
    'instagram.media.create',
    'instagram.video.upload',
    'instagram.container.status',
    'instagram.media_publish',
    'instagram.media.get',
    'instagram.media.list',
    'instagram.stories.list',
    'instagram.comments.create',
    'instagram.comments.list',
    'instagram.content_publishing_limit',
    'instagram.account.get',
    'instagram.pages.list',
    'instagram.permissions.list',
  ] as const,
  oauth: { ...facebookLogin, kinds: ['business'] },
  logins: { instagram: instagramLogin },
  processing: {
    'slow-container': ['instagram.media.create'],
    'failed-processing': ['instagram.media.create'],
  },
  permalinkOf: ({ postType, shortcode, publicId, accountName }, publicUrl) => {
    switch (postType) {
      case 'REEL':
        return `${publicUrl}/reel/${shortcode}/`;
      case 'STORY':
        return `${publicUrl}/stories/${usernameOf(accountName)}/${publicId}/`;
      case 'REPLY':
        return `${publicUrl}/c/${publicId}/`;
      default:
        return `${publicUrl}/p/${shortcode}/`;
    }
  },
  create: createInstagram,
} satisfies SandboxPlatform;

const codes = {
  notFetchable: { code: 9004, subcode: 2207052 },
  thumbOffset: { code: 1, subcode: 2207057 },
  caption: { code: 36004, subcode: 2207010 },
  mediaType: { code: 100, subcode: 2207023 },
  carouselCount: { code: 100, subcode: 2207028 },
  mentions: { code: 100, subcode: 2207040 },
  notReady: { code: 9007, subcode: 2207027 },
  containerGone: { code: 24, subcode: 2207008 },
  mediaNotFound: { code: 24, subcode: 2207006 },
  dailyCap: { code: 9, subcode: 2207042 },
  restricted: { code: 25, subcode: 2207050 },
} as const satisfies Record<string, GraphCode>;

/** What a failed container's status carries. */
const subcodes = {
  timeout: '2207003',
  notFetchable: '2207052',
  tooLarge: '2207004',
  format: '2207005',
  videoFormat: '2207026',
  ratio: '2207009',
  processing: '2207053',
};
const onBoth = (subcode: string) => ({ picture: subcode, video: subcode });

const maxBytes = { picture: 8 * 1024 * 1024, video: maxUploadBytes };
const minRatio = 4 / 5;
const maxRatio = 1.91;
/** Pixels are whole, so a picture cut to 4:5 or 1.91:1 misses it by a little. */
const ratioTolerance = 0.01;
const maxCaptionCharacters = 2_200;
const maxAltTextCharacters = 1_000;
const maxCollaborators = 3;
const minChildren = 2;
const maxChildren = 10;
const dayMs = 86_400_000;
const containerFields = ['id', 'status_code', 'status', 'video_status'];
const mediaFields = [
  'id',
  'permalink',
  'shortcode',
  'media_type',
  'media_product_type',
  'timestamp',
  'caption',
  'media_url',
  'alt_text',
  'username',
];
const accountFields = ['id', 'user_id', 'username', 'name', 'account_type', 'media_count'];

/**
 * Instagram's publishing over the Graph API, the same for both ways to log in: containers whose media the platform
 * fetches or is sent, single-use publishing, comments, and reads.
 */
function createInstagram(context: SandboxContext): RunningPlatform {
  const containers = createContainers(context, {
    platform: 'instagram',
    maxBytes,
    judgePicture: ({ postType }, facts) => {
      if (facts?.contentType !== 'image/jpeg') return subcodes.format;
      const ratio = facts.width / facts.height;
      const fits = ratio >= minRatio - ratioTolerance && ratio <= maxRatio + ratioTolerance;
      return fits || postType === 'STORY' ? undefined : subcodes.ratio;
    },
    failures: {
      timeout: onBoth(subcodes.timeout),
      notFetchable: onBoth(subcodes.notFetchable),
      tooLarge: { picture: subcodes.tooLarge, video: subcodes.videoFormat },
      format: { picture: subcodes.format, video: subcodes.videoFormat },
      processing: onBoth(subcodes.processing),
    },
  });

  const createMedia: Operation = {
    name: 'instagram.media.create',
    method: 'post',
    path: '/:version/:id/media',
    subject: ownerOf,
    async handle(call) {
      const account = requireAccount(call);
      requireScope(account, 'content_publish');
      const parameters = readParameters(call);
      return context.serialize(`instagram ${account.externalId}`, () =>
        acceptContainer(account, parameters, call),
      );
    },
  };

  async function acceptContainer(account: Account, parameters: Parameters, call: Call): Promise<Reply> {
    if (containers.countOf(account.externalId) >= context.settings.get().containersPerDay) {
      throw refusal(400, codes.dailyCap, 'Application request limit reached');
    }
    const isCarouselItem = readBoolean(parameters.is_carousel_item);
    const { postType, source } = readSource(account, parameters, isCarouselItem);
    checkOptions(parameters);
    const container: Container = {
      id: `17${randomDigits(15)}`,
      owner: account.externalId,
      createdAt: context.now().getTime(),
      readyAt: containers.readyAt(call.fault),
      // A story has no caption, whatever is sent.
      text: postType === 'STORY' ? '' : readCaption(parameters),
      altText: readAltText(parameters, source),
      ...{ postType, source, isCarouselItem },
    };
    await containers.add(container, call.fault);
    if (source.from !== 'upload') return jsonReply(200, { id: container.id });
    const uri = `${context.publicUrl}/instagram/ig-api-upload/${call.params.version}/${container.id}`;
    return jsonReply(200, { id: container.id, uri });
  }

  type Source = Pick<Container, 'postType' | 'source'>;

  function readSource(account: Account, parameters: Parameters, isCarouselItem: boolean): Source {
    const mediaType = readText(parameters.media_type) ?? 'IMAGE';
    switch (mediaType) {
      case 'CAROUSEL':
        return {
          postType: 'CAROUSEL',
          source: { from: 'children', ids: readChildren(account, parameters) },
        };
      case 'IMAGE':
        return { postType: 'SINGLE_IMAGE', source: readPicture(parameters) };
      case 'VIDEO':
        // Since July 2023 a video alone is a reel.
        if (!isCarouselItem) throw refusal(400, codes.mediaType, 'Use media_type REELS for a single video');
        return { postType: 'VIDEO', source: readVideo(parameters) };
      case 'REELS':
        if (isCarouselItem) throw refusal(400, codes.mediaType, 'A reel cannot be in a carousel');
        return { postType: 'REEL', source: readVideo(parameters) };
      case 'STORIES': {
        const isPicture = readText(parameters.image_url) !== undefined;
        const source = isPicture ? readPicture(parameters) : readVideo(parameters);
        return { postType: 'STORY', source };
      }
      default:
        throw refusal(400, codes.mediaType, `The media type ${mediaType} is unknown`);
    }
  }

  function readChildren(account: Account, parameters: Parameters): string[] {
    const ids = readList(parameters.children);
    if (ids.length < minChildren || ids.length > maxChildren) {
      throw refusal(400, codes.carouselCount, `A carousel takes ${minChildren} to ${maxChildren} items`);
    }
    for (const id of ids) {
      const child = containers.get(id);
      const isItem = child?.isCarouselItem && child.source.from !== 'children';
      if (!child || child.owner !== account.externalId || !isItem) {
        throw refusal(400, codes.mediaNotFound, `The media ${id} cannot be found`);
      }
      const status = containers.statusOf(child);
      if (status === 'IN_PROGRESS') throw refusal(400, codes.notReady, 'Media ID is not available');
      if (status !== 'FINISHED') throw refusal(400, codes.mediaNotFound, `The media ${id} is ${status}`);
    }
    return ids;
  }

  const upload = createUploadHost(context, containers, 'instagram');

  const publishMedia: Operation = {
    name: 'instagram.media_publish',
    method: 'post',
    path: '/:version/:id/media_publish',
    subject: ownerOf,
    async handle(call) {
      const account = requireAccount(call);
      requireScope(account, 'content_publish');
      const creationId = readText(readParameters(call).creation_id);
      if (!creationId) throw refusal(400, { code: 100 }, '(#100) The parameter creation_id is required');
      return context.serialize(`instagram ${account.externalId}`, () =>
        acceptPublish(call, account, creationId),
      );
    },
  };

  /** Runs one at a time per account, so a container is published once however often and fast it is asked for. */
  async function acceptPublish(call: Call, account: Account, creationId: string): Promise<Reply> {
    const container = containers.get(creationId);
    const status = container && containers.statusOf(container);
    // A used container is answered like one that is gone; its status tells PUBLISHED.
    if (container?.owner !== account.externalId || status === 'PUBLISHED' || status === 'EXPIRED') {
      const message = `The media builder ${creationId} does not exist or has expired`;
      throw refusal(400, codes.containerGone, message);
    }
    if (container.isCarouselItem)
      throw refusal(400, codes.mediaNotFound, 'A carousel item is not published alone');
    if (status !== 'FINISHED' || !container.result || 'failed' in container.result) {
      throw refusal(400, codes.notReady, 'Media ID is not available');
    }
    if (publishesIn24Hours(account) >= context.settings.get().publishesPerDay) {
      throw refusal(403, codes.dailyCap, 'Application request limit reached', {
        error_user_title: 'The user has reached the maximum number of posts',
      });
    }
    const publicId = `18${randomDigits(15)}`;
    await addToLedger(call, account, {
      ...{ postType: container.postType, text: container.text, rawText: container.text },
      ...container.result,
      ...{ publicId, handle: container.id, shortcode: randomShortcode() },
    });
    return jsonReply(200, { id: publicId });
  }

  type Entry = Pick<
    LedgerPost,
    'postType' | 'text' | 'rawText' | 'altTexts' | 'media' | 'publicId' | 'handle' | 'shortcode' | 'parentId'
  >;

  const addToLedger = (call: Call, account: Account, entry: Entry): Promise<LedgerPost> =>
    context.ledger.add({
      platform: 'instagram',
      externalId: account.externalId,
      accountName: account.name,
      ...entry,
      receivedAt: call.receivedAt.toISOString(),
      acceptedAt: context.now().toISOString(),
      requestId: call.requestId,
      rawBody: redactText(call.body.toString('utf8')),
    });

  /** What an account has published, newest first, as far as lists show it by now. */
  function listed(externalId: string, isShown: (postType: PostType) => boolean): LedgerPost[] {
    const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
    return context.ledger
      .list({ platform: 'instagram', externalId })
      .filter(
        (post) => isShown(post.postType) && !post.removedAt && Date.parse(post.acceptedAt) <= shownBefore,
      )
      .reverse();
  }

  const isPost = (postType: PostType) => postType !== 'REPLY';
  const isOnGrid = (postType: PostType) => isPost(postType) && postType !== 'STORY';

  function publishesIn24Hours(account: Account): number {
    const since = context.now().getTime() - dayMs;
    return context.ledger
      .list({ platform: 'instagram', externalId: account.externalId })
      .filter((post) => isPost(post.postType) && Date.parse(post.acceptedAt) > since).length;
  }

  const listMedia: Operation = {
    name: 'instagram.media.list',
    method: 'get',
    path: '/:version/:id/media',
    subject: ownerOf,
    handle(call) {
      const account = requireAccount(call);
      const fields = readFields(call, mediaFields, ['id']);
      return pageOf(call, listed(account.externalId, isOnGrid), (post) => select(renderMedia(post), fields));
    },
  };

  /** The stories of the last 24 hours. */
  const listStories: Operation = {
    name: 'instagram.stories.list',
    method: 'get',
    path: '/:version/:id/stories',
    subject: ownerOf,
    handle(call) {
      const account = requireAccount(call);
      const fields = readFields(call, mediaFields, ['id']);
      const since = context.now().getTime() - dayMs;
      const stories = listed(account.externalId, (postType) => postType === 'STORY').filter(
        ({ acceptedAt }) => Date.parse(acceptedAt) > since,
      );
      return pageOf(call, stories, (post) => select(renderMedia(post), fields));
    },
  };

  const comments = createComments(context, {
    add: (call, account, words) => addToLedger(call, account, { postType: 'REPLY', ...words }),
    listed: (account) => listed(account.externalId, (postType) => postType === 'REPLY'),
  });

  const parentOwner = (call: Call) =>
    context.ledger.findByPublicId('instagram', call.params.id ?? '')?.externalId;

  const publishingLimit: Operation = {
    name: 'instagram.content_publishing_limit',
    method: 'get',
    path: '/:version/:id/content_publishing_limit',
    subject: ownerOf,
    handle(call) {
      const account = requireAccount(call);
      const fields = readFields(call, ['quota_usage', 'config'], ['quota_usage']);
      const limit = {
        quota_usage: publishesIn24Hours(account),
        config: { quota_total: context.settings.get().publishesPerDay, quota_duration: 86_400 },
      };
      return jsonReply(200, { data: [pick(limit, fields)] });
    },
  };

  /** A page for each account: Instagram's accounts hang on Facebook's pages. */
  const personReads = createPersonReads(context, 'instagram', ({ externalId, name }) => ({
    id: `1${externalId}`,
    instagram_business_account: { id: externalId, username: usernameOf(name) },
  }));

  /** One path reads containers, media, comments and accounts. */
  const getNode: Operation = {
    name(call) {
      const id = call.params.id ?? '';
      if (containers.get(id)) return 'instagram.container.status';
      if (id === 'me' || speaksFor(call, id)) return 'instagram.account.get';
      return 'instagram.media.get';
    },
    method: 'get',
    path: '/:version/:id',
    subject: (call) => containers.get(call.params.id ?? '')?.owner ?? parentOwner(call) ?? ownerOf(call),
    async handle(call) {
      requireVersion(call);
      const id = call.params.id ?? '';
      const container = containers.get(id);
      if (container && speaksFor(call, container.owner)) {
        const fields = readFields(call, containerFields, ['id']);
        return jsonReply(200, select(await renderContainer(container), fields));
      }
      const post = context.ledger.findByPublicId('instagram', id);
      if (post && !post.removedAt && speaksFor(call, post.externalId)) {
        const [node, known] = isPost(post.postType)
          ? [renderMedia(post), mediaFields]
          : [comments.render(post), comments.fields];
        return jsonReply(200, select(node, readFields(call, known, ['id'])));
      }
      const account = requireAccount(call);
      return jsonReply(200, select(renderAccount(account), readFields(call, accountFields, ['id'])));
    },
  };

  async function renderContainer(container: Container): Promise<Record<string, unknown>> {
    const status = containers.statusOf(container);
    return {
      id: container.id,
      status_code: status,
      status: statusText(status, containers.failureOf(container)),
      ...(container.source.from === 'upload' && { video_status: await upload.progressOf(container) }),
    };
  }

  function renderMedia(post: LedgerPost): Record<string, unknown> {
    const isVideo = post.media[0]?.contentType.startsWith('video/');
    const isCarousel = post.postType === 'CAROUSEL';
    return {
      id: post.publicId,
      permalink: permalinkOf(post, context.publicUrl),
      shortcode: post.shortcode,
      media_type: isCarousel ? 'CAROUSEL_ALBUM' : isVideo ? 'VIDEO' : 'IMAGE',
      media_product_type: productTypes[post.postType] ?? 'FEED',
      timestamp: graphTime(post.acceptedAt),
      // Captions do not include the @ unless the user administers the app.
      ...(post.text === '' ? {} : { caption: post.text.replaceAll('@', '') }),
      media_url: `${context.publicUrl}/media/${post.media[0]?.sha256}`,
      ...(isCarousel || post.altTexts[0] == null ? {} : { alt_text: post.altTexts[0] }),
      username: usernameOf(post.accountName),
    };
  }

  function renderAccount(account: Account): Record<string, unknown> {
    return {
      id: account.externalId,
      user_id: account.externalId,
      username: usernameOf(account.name),
      name: account.name,
      account_type: 'BUSINESS',
      media_count: listed(account.externalId, isOnGrid).length,
    };
  }

  function readCaption(parameters: Parameters): string {
    const caption = readText(parameters.caption) ?? '';
    const { hashtagsPerCaption, mentionsPerCaption } = context.settings.get();
    if ([...caption].length > maxCaptionCharacters) {
      throw refusal(400, codes.caption, `The caption has more than ${maxCaptionCharacters} characters`);
    }
    if (countMatches(caption, /#[\p{L}\p{N}\p{M}_]+/gu) > hashtagsPerCaption) {
      throw refusal(400, codes.caption, `The caption has more than ${hashtagsPerCaption} hashtags`);
    }
    if (countMatches(caption, /(?<![\p{L}\p{N}._])@[\p{L}\p{N}._]+/gu) > mentionsPerCaption) {
      throw refusal(400, codes.mentions, `The caption tags more than ${mentionsPerCaption} people`);
    }
    return caption;
  }

  return {
    platform: 'instagram',
    basePath: '/instagram',
    operations: [
      upload.operation,
      createMedia,
      publishMedia,
      listMedia,
      listStories,
      ...comments.operations,
      publishingLimit,
      ...personReads,
      getNode,
    ],
    authenticate: (call) => authenticate(context, 'instagram', call),
    faultReplies: graphFaultReplies(codes.restricted, 'The Instagram account is restricted.'),
    unknownPath: (call) =>
      errorReply(400, { code: 2500 }, `Unknown path components: ${call.rawPath.replace('/instagram', '')}`),
    commonHeaders: (call) => ({
      'facebook-api-version': call.params.version ?? 'v26.0',
      'x-fb-request-id': call.requestId,
    }),
    clear: () => containers.clear(),
    resume: () => containers.resume(),
  };
}

const productTypes: Partial<Record<PostType, string>> = { REEL: 'REELS', STORY: 'STORY' };

function requireUrl(parameters: Parameters, name: string): string {
  const url = readText(parameters[name]);
  if (!url) throw refusal(400, { code: 100 }, `(#100) The parameter ${name} is required`);
  if (!isFetchableUrl(url)) {
    throw refusal(400, codes.notFetchable, 'Only photo or video can be accepted as media type.');
  }
  return url;
}

const readPicture = (parameters: Parameters): Container['source'] => ({
  ...{ from: 'address', kind: 'picture', url: requireUrl(parameters, 'image_url') },
});

function readVideo(parameters: Parameters): Container['source'] {
  if (readText(parameters.upload_type) === 'resumable') return { from: 'upload' };
  const cover = parameters.cover_url === undefined ? {} : { cover: requireUrl(parameters, 'cover_url') };
  return { from: 'address', kind: 'video', url: requireUrl(parameters, 'video_url'), ...cover };
}

function readAltText(parameters: Parameters, source: Container['source']): string | null {
  const altText = readText(parameters.alt_text);
  if (altText === undefined) return null;
  if (source.from !== 'address' || source.kind !== 'picture' || parameters.media_type === 'STORIES') {
    throw refusal(400, { code: 100 }, '(#100) alt_text is for pictures in the feed');
  }
  if ([...altText].length > maxAltTextCharacters) {
    throw refusal(400, { code: 100 }, `(#100) alt_text has more than ${maxAltTextCharacters} characters`);
  }
  return altText;
}

function checkOptions(parameters: Parameters): void {
  const { thumb_offset: thumbOffset, trial_params: trial } = parameters;
  if (thumbOffset !== undefined && !/^\d+$/.test(readText(thumbOffset) ?? '')) {
    throw refusal(400, codes.thumbOffset, 'The thumb offset must be in the video');
  }
  if (readList(parameters.collaborators).length > maxCollaborators) {
    throw refusal(400, { code: 100 }, `(#100) At most ${maxCollaborators} collaborators can be invited`);
  }
  const strategy = readText(asObject(trial).graduation_strategy) ?? '';
  if (trial !== undefined && !['MANUAL', 'SS_PERFORMANCE'].includes(strategy)) {
    throw refusal(400, { code: 100 }, `(#100) Invalid graduation_strategy: ${strategy}`);
  }
}

function statusText(status: ContainerStatus, failure: string | undefined): string {
  switch (status) {
    case 'IN_PROGRESS':
      return 'In Progress: Media is still being processed.';
    case 'FINISHED':
      return 'Finished: Media has been uploaded and it is ready to be published.';
    case 'PUBLISHED':
      return 'Published: Media has been successfully published.';
    case 'EXPIRED':
      return 'Expired: Media was not published within 24 hours.';
    case 'ERROR':
      return `Error: Media upload has failed with error code ${failure}`;
    default:
      throw new Error(`Unknown container status: ${status satisfies never}`);
  }
}
