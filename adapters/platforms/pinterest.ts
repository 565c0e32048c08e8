import { OutcomeError } from '../../domain/outcome.ts';
import type { AdapterOptions, PlatformDefinition, Timings } from './definition.ts';
import { isObject, path } from './http.ts';
import { callPinterest, createPinterestApi, type PinterestApi, tellPinterest } from './pinterest-api.ts';
import { connectPinterest } from './pinterest-login.ts';
import { bringVideo } from './pinterest-video.ts';
import type {
  Account,
  CallContext,
  Choice,
  ChoiceLister,
  CommitContext,
  Finder,
  FindQuery,
  FindResult,
  MediaItem,
  PreparedHandle,
  Preparer,
  PublicContent,
  Publisher,
  Receipt,
  Remover,
} from './publisher.ts';
import { addressToPull } from './pulled-media.ts';
import { assertSupported, refused, unprepared } from './supported.ts';

// Endpoints

// https://github.com/pinterest/api-description, v5/openapi.yaml 5.23.0 (read 2026-11-21)
export const pinterest: PlatformDefinition = {
  live: {
    hosts: {
      api: 'https://api.pinterest.com',
      oauth: 'https://www.pinterest.com',
      token: 'https://api.pinterest.com',
    },
    // The version is part of every path.
    version: '',
    // The first stands in the API's description; the second is the same bucket at its usual address.
    uploadOrigins: [
      'https://pinterest-media-upload.s3-accelerate.amazonaws.com',
      'https://pinterest-media-upload.s3.amazonaws.com',
    ],
    permalinkBaseUrl: 'https://www.pinterest.com',
  },
  // Where applications on trial are sent.
  otherLiveOrigins: ['https://api-sandbox.pinterest.com'],
  create: createPinterest,
  connect: connectPinterest,
};

// Limits

/** Pinterest does not document how far its lists lag behind a commit. */
const defaults: Timings = {
  // Pinterest fetches the pictures before it answers.
  commitTimeoutMs: 45_000,
  pollIntervalMs: 5_000,
  processingTimeoutMs: 900_000,
  settleMs: 60_000,
  blindWaitMs: 0,
};
const mediaUrlSeconds = 3_600;
/** How long Pinterest keeps a video that no pin uses is not documented; we stop trusting it after this. */
const videoLifeMs = 12 * 3_600_000;
const findPageSize = 100;
const findPages = 5;
const clockSkewMs = 60_000;

/** One adapter for users. A pin cannot be changed afterwards: that is for applications with a permission of their own. */
export function createPinterest(options: AdapterOptions) {
  const { permalinkBaseUrl } = options;
  const timings = { ...defaults, ...options.timings };
  const api = { ...createPinterestApi(options), permalinkBaseUrl, timings };
  return {
    user: {
      publisher: createPublisher(api),
      preparer: createPreparer(api),
      finder: createFinder(api),
      remover: createRemover(api),
      choiceListers: { boardId: createBoardLister(api) },
    },
  };
}

interface Pinterest extends PinterestApi {
  readonly permalinkBaseUrl: string;
  readonly timings: Timings;
}

// Methods

function createPublisher(api: Pinterest): Publisher {
  const receiptOf = (pinId: string): Receipt => ({
    publicId: pinId,
    permalink: `${api.permalinkBaseUrl}/pin/${pinId}/`,
  });
  return {
    platform: 'pinterest',
    kinds: ['user'],
    commitTimeoutMs: api.timings.commitTimeoutMs,
    commit: async (account, content, handle, context) => {
      assertPin(content);
      return receiptOf(await createPin(api, account, content, handle, context));
    },
    // The address follows from the id, so nothing is asked.
    confirm: async (_account, publicId) => receiptOf(publicId),
  };
}

/** The one public call. A video that it refuses may be one Pinterest no longer has: another try uploads it again. */
async function createPin(
  api: Pinterest,
  account: Account,
  content: PublicContent,
  handle: PreparedHandle | null,
  context: CommitContext,
): Promise<string> {
  const source = await mapMediaSource(content, handle, (item) =>
    addressToPull(context.media, item, mediaUrlSeconds),
  );
  const what = 'Pinterest pin creation';
  try {
    const { id } = await callPinterest(api, account.accessToken, context, {
      method: 'POST',
      path: '/pins',
      body: mapPin(content, source.body),
      what,
      timeoutMs: api.timings.commitTimeoutMs,
      secrets: source.addresses,
    });
    if (typeof id === 'string' && /^\d+$/.test(id)) return id;
    throw new OutcomeError('unexpected-response', `${what}: no id in the answer`);
  } catch (error) {
    if (!isVideo(content) || !(error instanceof OutcomeError) || error.code !== 'rejected') throw error;
    throw new OutcomeError('rejected', error.message, { ...error.details, handleIsDead: true });
  }
}

function createPreparer(api: Pinterest): Preparer {
  return {
    prepare: async (account, content, media, context): Promise<PreparedHandle> => {
      assertPin(content);
      // Pictures are fetched by Pinterest when they are pinned.
      if (!isVideo(content)) return { ids: {}, expiresAt: null };
      const expiresAt = new Date(api.now().getTime() + videoLifeMs).toISOString();
      const mediaId = await bringVideo(api, account, onlyItem(content), media, context, api.timings);
      return { ids: { mediaId }, expiresAt };
    },
  };
}

function createFinder(api: Pinterest): Finder {
  return {
    settleMs: api.timings.settleMs,
    find: async (account, query, context) => {
      const seen: ListedPin[] = [];
      let bookmark: string | null = null;
      for (let page = 0; page < findPages; page += 1) {
        const listed = await listPins(api, account, query.content, bookmark, context);
        seen.push(...listed.pins);
        bookmark = listed.bookmark;
        if (bookmark === null || reachesBefore(seen, query.sentAfter)) {
          return judge(seen, query, api.permalinkBaseUrl);
        }
      }
      const judged = judge(seen, query, api.permalinkBaseUrl);
      if (judged.kind !== 'absent') return judged;
      return { kind: 'cannot-tell', reason: `not among the first ${seen.length} pins of the board` };
    },
  };
}

interface Page {
  readonly pins: readonly ListedPin[];
  /** Where the next page begins; `null` at the end. */
  readonly bookmark: string | null;
}

async function listPins(
  api: Pinterest,
  account: Account,
  content: PublicContent,
  bookmark: string | null,
  context: CallContext,
): Promise<Page> {
  const { boardId, boardSectionId } = content.options ?? {};
  const board = path`/boards/${String(boardId ?? '')}`;
  const section = typeof boardSectionId === 'string' ? path`/sections/${boardSectionId}` : '';
  const next = bookmark === null ? '' : `&bookmark=${encodeURIComponent(bookmark)}`;
  const body = await callPinterest(api, account.accessToken, context, {
    path: `${board}${section}/pins?page_size=${findPageSize}${next}`,
    what: "Pinterest list of a board's pins",
  });
  return parsePage(body);
}

function createRemover(api: Pinterest): Remover {
  return {
    remove: async (account, publicId, context) => {
      try {
        await tellPinterest(api, account.accessToken, context, {
          method: 'DELETE',
          path: path`/pins/${publicId}`,
          what: 'Pinterest pin removal',
        });
      } catch (error) {
        if (!(error instanceof OutcomeError) || error.details.status !== 404) throw error;
      }
    },
  };
}

// Boards that others share with the account are among them.
// https://github.com/pinterest/api-description, v5/openapi.yaml, /boards (read 2026-11-21)
const createBoardLister = (api: Pinterest): ChoiceLister => ({
  listChoices: async (account, { after, limit }, context) => {
    const what = 'Pinterest list of boards';
    const query = new URLSearchParams({
      page_size: String(limit),
      ...(after !== null && { bookmark: after }),
    });
    const path = `/boards?${query}`;
    const { items, bookmark } = await callPinterest(api, account.accessToken, context, { path, what });
    if (!Array.isArray(items))
      throw new OutcomeError('unexpected-response', `${what}: no items in the answer`);
    return {
      choices: items.map((board) => mapBoard(board, what)),
      next: typeof bookmark === 'string' && bookmark !== '' ? bookmark : null,
    };
  },
});

// Pure mappers

function mapBoard(board: unknown, what: string): Choice {
  const { id, name } = isObject(board) ? board : {};
  if (typeof id !== 'string' || id === '')
    throw new OutcomeError('unexpected-response', `${what}: a board has no id`);
  return { value: id, label: typeof name === 'string' && name !== '' ? name : id };
}

function assertPin(content: PublicContent): void {
  assertSupported('pinterest', content);
  if (typeof content.options?.boardId !== 'string') throw refused('A pin needs the option boardId');
}

const isVideo = ({ type }: PublicContent): boolean => type === 'VIDEO' || type === 'REEL';

function onlyItem({ media }: PublicContent): MediaItem {
  const [item] = media;
  if (!item) throw refused('A pin without a picture or video');
  return item;
}

// https://github.com/pinterest/api-description, v5/openapi.yaml 5.23.0, PinCreate (read 2026-11-21)
function mapPin(content: PublicContent, source: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { boardId, boardSectionId, link } = content.options ?? {};
  // A pin has one alternative text: that of its one picture or video.
  const altText = content.media.length === 1 ? onlyItem(content).altText : null;
  return {
    board_id: boardId,
    ...(boardSectionId !== undefined && { board_section_id: boardSectionId }),
    ...(content.title && { title: content.title }),
    ...(content.text !== '' && { description: content.text }),
    ...(link !== undefined && { link }),
    ...(altText && { alt_text: altText }),
    media_source: source,
  };
}

interface MediaSource {
  readonly body: Readonly<Record<string, unknown>>;
  /** The addresses in it, which anybody could use. */
  readonly addresses: readonly string[];
}

async function mapMediaSource(
  content: PublicContent,
  handle: PreparedHandle | null,
  addressOfItem: (item: MediaItem) => Promise<string>,
): Promise<MediaSource> {
  if (isVideo(content)) return mapVideoSource(content, handle, addressOfItem);
  const addresses = await Promise.all(content.media.map(addressOfItem));
  const items = addresses.map((url) => ({ url }));
  const body =
    content.type === 'CAROUSEL'
      ? { source_type: 'multiple_image_urls', items }
      : { source_type: 'image_url', ...items[0] };
  return { body, addresses };
}

/** Pinterest wants a cover: a picture, or a frame of the video by its second. */
async function mapVideoSource(
  content: PublicContent,
  handle: PreparedHandle | null,
  addressOfItem: (item: MediaItem) => Promise<string>,
): Promise<MediaSource> {
  const mediaId = handle?.ids.mediaId;
  if (typeof mediaId !== 'string') {
    throw unprepared('Pinterest pin creation: no video was prepared');
  }
  const { cover } = onlyItem(content);
  const addresses = cover ? [await addressOfItem(cover)] : [];
  const { coverTimestampSeconds: seconds } = content.options ?? {};
  const shown = cover
    ? { cover_image_url: addresses[0] }
    : { cover_image_key_frame_time: typeof seconds === 'number' ? seconds : 0 };
  return { body: { source_type: 'video_id', media_id: mediaId, ...shown }, addresses };
}

interface ListedPin {
  readonly id: string;
  readonly createdAt: number;
  readonly title: string;
  readonly description: string;
  readonly link: string;
  /** `image`, `multiple_images`, `video`; `null` where it is not said. */
  readonly mediaType: string | null;
}

function parsePage(body: Readonly<Record<string, unknown>>): Page {
  if (!Array.isArray(body.items)) {
    throw new OutcomeError('unexpected-response', "Pinterest list of a board's pins: no items in the answer");
  }
  const { bookmark } = body;
  return {
    pins: body.items.map(parsePin),
    bookmark: typeof bookmark === 'string' && bookmark !== '' ? bookmark : null,
  };
}

function parsePin(element: unknown): ListedPin {
  const pin = isObject(element) ? element : {};
  const createdAt = parseTime(pin.created_at);
  if (typeof pin.id !== 'string' || createdAt === null) {
    throw new OutcomeError('unexpected-response', 'Pinterest list of pins: an element has no id or no time');
  }
  const media = isObject(pin.media) ? pin.media : {};
  return {
    id: pin.id,
    createdAt,
    title: textOf(pin.title),
    description: textOf(pin.description),
    link: textOf(pin.link),
    mediaType: typeof media.media_type === 'string' ? media.media_type : null,
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Times come without a zone, too: they are UTC. */
function parseTime(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  const at = Date.parse(/(?:Z|[+-]\d{2}:?\d{2})$/.test(value) ? value : `${value}Z`);
  return Number.isNaN(at) ? null : at;
}

/**
 * Whether everything that is still to come is older than a commit's window. The order of a board is not documented, so
 * this holds only where what has been seen goes back in time.
 */
function reachesBefore(pins: readonly ListedPin[], sentAfter: Date): boolean {
  const goesBack = pins.every(
    ({ createdAt }, index) => createdAt <= (pins[index - 1]?.createdAt ?? createdAt),
  );
  const last = pins.at(-1);
  return goesBack && last !== undefined && last.createdAt < sentAfter.getTime() - clockSkewMs;
}

/**
 * Pinterest gives no mark of an attempt back: a pin is ours by its time and by everything that it says. One that says
 * only a part of it is no proof of either.
 */
function judge(pins: readonly ListedPin[], query: FindQuery, permalinkBaseUrl: string): FindResult {
  const candidates = pins.filter((pin) => isOfTime(pin, query) && isOfKind(pin, query.content));
  const sent = wordsOf(query.content);
  const same = candidates.filter((pin) => sent.every(([name, word]) => comparable(pin[name]) === word));
  const isWordless = sent.every(([, word]) => word === '');
  const [only] = same;
  if (only && same.length === 1 && !isWordless) {
    const permalink = `${permalinkBaseUrl}/pin/${only.id}/`;
    return { kind: 'found', receipt: { publicId: only.id, permalink } };
  }
  if (only) return { kind: 'cannot-tell', reason: `${same.length} pins fit its words and time` };
  const alike = candidates.find((pin) => isAlike(pin, sent));
  if (alike) return { kind: 'cannot-tell', reason: `pin ${alike.id} says a part of it` };
  return { kind: 'absent', proof: 'read' };
}

/** Half of the words and more: Pinterest may have written one of them anew. One link of three words leads many pins. */
function isAlike(pin: ListedPin, sent: ReturnType<typeof wordsOf>): boolean {
  const said = sent.filter(([, word]) => word !== '');
  const equal = said.filter(([name, word]) => comparable(pin[name]) === word);
  return equal.length > 0 && equal.length * 2 >= said.length;
}

const isOfTime = ({ createdAt }: ListedPin, { sentAfter, sentBefore }: FindQuery): boolean =>
  createdAt >= sentAfter.getTime() - clockSkewMs && createdAt <= sentBefore.getTime() + clockSkewMs;

function isOfKind({ mediaType }: ListedPin, content: PublicContent): boolean {
  const expected = isVideo(content) ? 'video' : content.type === 'CAROUSEL' ? 'multiple_images' : 'image';
  return mediaType === null || mediaType === expected;
}

const wordsOf = (
  content: PublicContent,
): readonly (readonly ['title' | 'description' | 'link', string])[] => [
  ['title', comparable(content.title ?? '')],
  ['description', comparable(content.text)],
  ['link', comparable(textOf(content.options?.link))],
];

const comparable = (text: string): string => text.replace(/\s+/g, ' ').trim().normalize('NFC');
