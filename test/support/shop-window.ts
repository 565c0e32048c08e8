import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type MediaProbe, probeMedia } from '../../adapters/media/probe.ts';
import { createPlatformFetch } from '../../adapters/platforms/platform-fetch.ts';
import type {
  Account,
  CallContext,
  MediaAccess,
  MediaItem,
  PlatformAdapter,
  PublicContent,
  Receipt,
} from '../../adapters/platforms/publisher.ts';
import { createRegistry, liveEndpoints, sandboxEndpoints } from '../../adapters/platforms/registry.ts';
import { checkTarget, ruleFor, type TargetOptions } from '../../domain/platform-rules.ts';
import type { AccountKind, Platform, PostType } from '../../domain/post.ts';
import { createControl } from '../../testing/platforms.ts';

/** A post as a team writes it, with files of the example campaign. */
export interface ShownPost {
  readonly platform: Platform;
  readonly kind: AccountKind;
  readonly externalId: string;
  /** Of the account. */
  readonly name: string;
  readonly type: PostType;
  readonly text: string;
  readonly title?: string;
  readonly options?: TargetOptions;
  readonly files: readonly { readonly file: string; readonly altText: string }[];
}

const sun =
  'A golden sun rises behind hills and pine trees. The title reads, Four steps to a slower morning.';
const weigh = 'Coffee beans lie in a ring around the words 18 grams. Weigh, then grind.';
const bloom = 'Water falls into a paper filter over a glass jug, and the coffee rises. Let it bloom.';
const pour = 'A green cup on a saucer from above, with a pine tree drawn in the foam. Pour slowly, and sit.';
const steps = [
  { file: 'carousel-1-slower-morning.jpg', altText: sun },
  { file: 'carousel-2-weigh.jpg', altText: weigh },
  { file: 'carousel-3-bloom.jpg', altText: bloom },
  { file: 'carousel-4-pour.jpg', altText: pour },
] as const;
const film = { file: 'slower-morning.mp4', altText: '' };
const tuesday = {
  file: 'roasted-tuesday.png',
  altText:
    'A steaming cup with a pine tree on it before a golden sun. Roasted on Tuesday. Poured by Thursday.',
};

/** One of each platform, each with a picture or a video. */
export const shownPosts: readonly ShownPost[] = [
  {
    ...{ platform: 'facebook', kind: 'page', externalId: '104501', name: 'Morrow & Pine' },
    ...{ type: 'SINGLE_IMAGE', files: [steps[3]] },
    text: 'On the first Saturday of every month we leave the roastery door open. Come at ten, when the first batch drops.\n\nNo tickets and nothing to buy. Bring a neighbour.',
  },
  {
    ...{ platform: 'instagram', kind: 'business', externalId: '17841470014401', name: 'morrowandpine' },
    ...{ type: 'CAROUSEL', files: steps },
    text: 'Four steps to a slower morning.\n\nWeigh 18 g. Grind it like coarse sand. Let it bloom for half a minute. Then three gentle pours, about three minutes in all.\n\n#pourover #slowmorning',
  },
  {
    ...{ platform: 'linkedin', kind: 'organization', name: 'Morrow & Pine' },
    ...{ externalId: 'urn:li:organization:70014401', type: 'SINGLE_IMAGE', files: [tuesday] },
    text: 'We roast on Tuesday because the cafés around us open their new bags on Thursday.\n\nTwo days of rest is when a light roast starts to taste of what it is. If you run the twelfth café, write to Daniel.',
  },
  {
    ...{ platform: 'mastodon', kind: 'user', externalId: '109348', name: 'Morrow & Pine' },
    ...{ type: 'SINGLE_IMAGE', files: [steps[2]], options: { visibility: 'public', language: 'en' } },
    text: 'Half a minute of patience: pour twice the weight of the coffee, and wait until it stops rising.\n\n#pourover #coffee',
  },
  {
    ...{ platform: 'pinterest', kind: 'user', externalId: '2783136121146311751', name: 'Morrow & Pine' },
    ...{ type: 'SINGLE_IMAGE', files: [steps[0]], options: { boardId: '549755885175' } },
    title: 'Four steps to a slower morning',
    text: 'Pour-over at home, as Ines makes it at the counter: weigh, bloom, pour, sit.',
  },
  {
    ...{ platform: 'reddit', kind: 'user', externalId: 'morrow_and_pine', name: 'morrow_and_pine' },
    ...{ type: 'SINGLE_IMAGE', files: [steps[1]], options: { subreddit: 'pourover', sendReplies: false } },
    title: 'We printed our counter recipe as a card: 18 g, half a minute, three pours',
    // A post of pictures has no text there.
    text: '',
  },
  {
    ...{ platform: 'threads', kind: 'user', externalId: '25025', name: 'morrowandpine' },
    ...{ type: 'SINGLE_IMAGE', files: [tuesday] },
    text: 'Eleven cafés, one bicycle, and a list on the wall. That is the whole supply chain.',
  },
  {
    ...{ platform: 'tiktok', kind: 'creator', externalId: '723f24d7-e717-40f8', name: 'morrowandpine' },
    ...{ type: 'REEL', files: [film], options: { privacyLevel: 'PUBLIC_TO_EVERYONE' } },
    text: 'A slower morning in four seconds. The real one takes three minutes. #pourover',
  },
  {
    ...{ platform: 'x', kind: 'user', externalId: '2244994945', name: 'Morrow & Pine' },
    ...{ type: 'SINGLE_IMAGE', files: [steps[3]] },
    text: 'Three gentle pours, three minutes, and nothing else on the table. Saturday from ten: 14 Almond Street.',
  },
  {
    ...{
      platform: 'youtube',
      kind: 'channel',
      externalId: 'UCmorrowandpine012345678',
      name: 'Morrow & Pine',
    },
    ...{ type: 'REEL', files: [film], options: { tags: ['pour-over'], category: '26' } },
    title: 'Four steps to a slower morning',
    text: 'Weigh, bloom, pour, sit. The recipe is on the card at the counter.',
  },
];

export interface ShopWindow {
  /** Brings a post out through the platform's adapter, as the product does; what the platform's rules forbid is an error. */
  readonly show: (post: ShownPost) => Promise<Receipt>;
  /** Answers a post that is out: a first comment, where the platform has them. */
  readonly answer: (post: ShownPost, receipt: Receipt, text: string) => Promise<Receipt>;
  readonly takeDown: (post: ShownPost, receipt: Receipt) => Promise<void>;
  readonly stop: () => Promise<void>;
}

const folder = fileURLToPath(new URL('../../examples/campaign/media/', import.meta.url));

/** Publishes at a sandbox that runs: the adapters of the product, and files that the platforms can fetch. */
export async function openShopWindow(sandboxUrl: string): Promise<ShopWindow> {
  const files = new Map<string, { bytes: Buffer; probe: MediaProbe }>();
  for (const file of new Set(shownPosts.flatMap((post) => post.files.map((one) => one.file)))) {
    const bytes = await readFile(folder + file);
    files.set(file, { bytes, probe: await probeMedia(bytes) });
  }
  const server = createServer((request, response) => {
    const found = files.get(request.url!.slice(1));
    const type = found?.probe.contentType ?? 'text/plain';
    response.writeHead(found ? 200 : 404, { 'content-type': type }).end(found?.bytes);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const bytesOf = ({ mediaId }: MediaItem) => files.get(mediaId)!.bytes;
  const media: MediaAccess = {
    url: async (item) => `http://127.0.0.1:${port}/${item.mediaId}`,
    bytes: async (item) => bytesOf(item),
    range: async (item, start, end) => bytesOf(item).subarray(start, end),
    async *stream(item) {
      yield bytesOf(item);
    },
  };
  const registry = createRegistry({
    live: liveEndpoints,
    sandbox: sandboxEndpoints(sandboxUrl),
    sandboxTimings: { pollIntervalMs: 10, blindWaitMs: 100, settleMs: 0 },
    fetch: createPlatformFetch(),
  });
  const control = createControl({ url: sandboxUrl });
  await control('PATCH', '/settings', { imageProcessingMs: 0, containerProcessingMs: 0 });

  const adapterOf = ({ platform, kind }: ShownPost): PlatformAdapter =>
    registry.adapterFor({ platform, kind, mode: 'sandbox' });
  const accountOf = ({ platform, kind, externalId }: ShownPost): Account => ({
    ...{ platform, kind, externalId },
    accessToken: `made-up-token-of-${platform}`,
  });
  const itemsOf = ({ platform, type, files: shown }: ShownPost): MediaItem[] => {
    const rule = ruleFor(platform, type);
    const hasAltTexts = rule.isSupported && (rule.media?.maxAltText ?? 0) > 0;
    return shown.map(({ file, altText }) => ({
      ...files.get(file)!.probe,
      ...{ mediaId: file, altText: hasAltTexts ? altText || null : null },
    }));
  };

  return {
    async show(post) {
      const { platform, kind, externalId, name, type, text, title, options } = post;
      const account = accountOf(post);
      await control('POST', '/accounts', { platform, kind, externalId, name, token: account.accessToken });
      const items = itemsOf(post);
      const facts = { ...{ platform, kind, type, text, media: items }, ...(options && { options }) };
      const violations = checkTarget({ ...facts, title: title ?? null });
      if (violations.length > 0)
        throw new Error(`${platform} ${violations[0]!.field}: ${violations[0]!.message}`);
      const content: PublicContent = {
        ...{ type, text, media: items },
        ...(title !== undefined && { title }),
        ...(options && { options }),
      };
      const { preparer, publisher } = adapterOf(post);
      const upload = { kept: null, keep: async () => {} };
      const handle = (await preparer?.prepare(account, content, media, { ...call(), upload })) ?? null;
      const { publicId } = await publisher.commit(account, content, handle, { ...call(), media });
      return publisher.confirm(account, publicId, { ...call(), content, media });
    },
    async answer(post, { publicId }, text) {
      const { replier } = adapterOf(post);
      if (!replier) throw new Error(`${post.platform} has no comments`);
      return replier.reply(accountOf(post), { text, parentId: publicId, rootId: publicId }, call());
    },
    async takeDown(post, { publicId }) {
      const { remover } = adapterOf(post);
      if (!remover) throw new Error(`${post.platform} takes nothing down`);
      await remover.remove(accountOf(post), publicId, call());
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const call = (): CallContext => ({ signal: AbortSignal.timeout(20_000), progress: () => {} });
