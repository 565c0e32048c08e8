import { randomUUID } from 'node:crypto';
import { openJournal } from './journal.ts';
import type { StoredMedia } from './media.ts';
import { type Platform, sandboxPlatforms } from './platforms/index.ts';

export type PostType = 'TEXT_ONLY' | 'SINGLE_IMAGE' | 'CAROUSEL' | 'VIDEO' | 'STORY' | 'REEL' | 'REPLY';

/** One post that went live, as it is written to `ledger.jsonl`. */
export interface LedgerPost {
  ledgerId: string;
  platform: Platform;
  externalId: string;
  accountName: string;
  postType: PostType;
  /** As a reader sees it. */
  text: string;
  /** As it was sent (LinkedIn: with its escapes). */
  rawText: string;
  /** One per medium. */
  altTexts: (string | null)[];
  media: StoredMedia[];
  /** The post's URN or media id. */
  publicId: string;
  /** When the request that made it public had fully arrived. */
  receivedAt: string;
  /** When it was accepted; later than `receivedAt` under a `delay`. */
  acceptedAt: string;
  requestId: string;
  /** The body of the request that made it public, without credentials. */
  rawBody: string;
  /** What the post was made from and can be made from only once: an Instagram container. */
  handle?: string;
  /** The last part of its permalink, where that is not the id. */
  shortcode?: string;
  /** Where the platform has titles. */
  title?: string;
  /** What it answers: the `publicId` of another post. */
  parentId?: string;
  /** LinkedIn: the parts a read of the post returns, and what tells a duplicate. */
  content?: unknown;
  visibility?: string;
  digest?: string;
  /** What it has been changed to since, oldest first; the same again is no change. */
  amendments?: LedgerAmendment[];
  removedAt?: string;
}

/** One change of what stands there. */
export interface LedgerAmendment {
  text: string;
  title?: string;
  amendedAt: string;
}

type LedgerRecord =
  | { kind: 'post'; post: LedgerPost }
  | { kind: 'amendment'; ledgerId: string; amendment: LedgerAmendment }
  | { kind: 'removal'; ledgerId: string; removedAt: string };

export interface LedgerFilter {
  platform?: string | undefined;
  externalId?: string | undefined;
  /** Only posts received at or after this instant. */
  since?: Date | undefined;
}

/** What went live, oldest first. It holds only posts that are on the disk. */
export interface Ledger {
  add(post: Omit<LedgerPost, 'ledgerId'>): Promise<LedgerPost>;
  /** Notes a change of its text; one to what it says already changes nothing. */
  amend(ledgerId: string, change: Omit<LedgerAmendment, 'amendedAt'>, amendedAt: Date): Promise<void>;
  remove(ledgerId: string, removedAt: Date): Promise<void>;
  list(filter?: LedgerFilter): LedgerPost[];
  find(ledgerId: string): LedgerPost | undefined;
  findByPublicId(platform: Platform, publicId: string): LedgerPost | undefined;
  findByHandle(platform: Platform, handle: string): LedgerPost | undefined;
  clear(): Promise<void>;
  close(): Promise<void>;
}

export async function openLedger(path: string): Promise<Ledger> {
  const { journal, records } = await openJournal<LedgerRecord>(path);
  let posts: LedgerPost[] = [];
  const byPublicId = new Map<string, LedgerPost>();
  const byHandle = new Map<string, LedgerPost>();

  function index(record: LedgerRecord): void {
    switch (record.kind) {
      case 'post': {
        const { post } = record;
        posts.push(post);
        byPublicId.set(`${post.platform} ${post.publicId}`, post);
        if (post.handle) byHandle.set(`${post.platform} ${post.handle}`, post);
        return;
      }
      case 'amendment': {
        const amended = posts.find((post) => post.ledgerId === record.ledgerId);
        if (amended) amended.amendments = [...(amended.amendments ?? []), record.amendment];
        return;
      }
      case 'removal': {
        const removed = posts.find((post) => post.ledgerId === record.ledgerId);
        if (removed) removed.removedAt = record.removedAt;
        return;
      }
      default:
        throw new Error(`Unknown record in ${path}: ${JSON.stringify(record satisfies never)}`);
    }
  }

  async function write(record: LedgerRecord): Promise<void> {
    await journal.append(record);
    index(record);
  }

  for (const record of records) index(record);
  return {
    async add(input) {
      const post = { ledgerId: randomUUID(), ...input };
      await write({ kind: 'post', post });
      return post;
    },
    async amend(ledgerId, change, amendedAt) {
      const post = posts.find((one) => one.ledgerId === ledgerId);
      if (!post) throw new Error(`The ledger has no post ${ledgerId}`);
      const { text, title = post.title } = post.amendments?.at(-1) ?? post;
      if (text === change.text && (change.title ?? title) === title) return;
      const amendment = { ...change, amendedAt: amendedAt.toISOString() };
      await write({ kind: 'amendment', ledgerId, amendment });
    },
    remove: (ledgerId, removedAt) => write({ kind: 'removal', ledgerId, removedAt: removedAt.toISOString() }),
    list: ({ platform, externalId, since } = {}) =>
      posts.filter(
        (post) =>
          (!platform || post.platform === platform) &&
          (!externalId || post.externalId === externalId) &&
          (!since || Date.parse(post.receivedAt) >= since.getTime()),
      ),
    find: (ledgerId) => posts.find((post) => post.ledgerId === ledgerId),
    findByPublicId: (platform, publicId) => byPublicId.get(`${platform} ${publicId}`),
    findByHandle: (platform, handle) => byHandle.get(`${platform} ${handle}`),
    async clear() {
      await journal.reset();
      posts = [];
      byPublicId.clear();
      byHandle.clear();
    },
    close: () => journal.close(),
  };
}

/** A ledger post as the control API and the feed show it. */
export interface LedgerEntry extends Omit<LedgerPost, 'media' | 'digest'> {
  media: (StoredMedia & { url: string })[];
  /** What the platform's clients show as its address. */
  permalink: string;
  /** The post's card in the sandbox. */
  feedUrl: string;
}

export function describePost(post: LedgerPost, publicUrl: string): LedgerEntry {
  const { digest: _digest, media, ...rest } = post;
  return {
    ...rest,
    media: media.map((item) => ({ ...item, url: `${publicUrl}/media/${item.sha256}` })),
    permalink: permalinkOf(post, publicUrl),
    feedUrl: `${publicUrl}/posts/${post.ledgerId}`,
  };
}

export const permalinkOf = (post: LedgerPost, publicUrl: string): string =>
  sandboxPlatforms[post.platform].permalinkOf(post, publicUrl);
