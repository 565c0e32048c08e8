import type { SandboxContext } from '../context.ts';
import type { Fault } from '../faults.ts';
import type { PostType } from '../ledger.ts';
import { type ImageFacts, probeImage, type StoredMedia } from '../media.ts';
import type { Platform } from './index.ts';

/** Why a container failed, in the platform's own word: a subcode, or a name. */
export type Failure = string;

/**
 * What Instagram and Threads make posts from: text, media that the platform fetches or is sent, or other containers. It
 * is published at most once.
 */
export interface Container {
  id: string;
  /** The account. */
  owner: string;
  createdAt: number;
  /** Not FINISHED before this time, however fast the media came. */
  readyAt: number;
  postType: PostType;
  text: string;
  altText: string | null;
  isCarouselItem: boolean;
  /** What it answers, by public id. */
  parentId?: string;
  source:
    | { from: 'nothing' }
    | { from: 'address'; url: string; kind: MediaKind; cover?: string }
    | { from: 'upload' }
    | { from: 'children'; ids: string[] };
  /** Absent while its media is on the way. */
  result?: { media: StoredMedia[]; altTexts: (string | null)[] } | { failed: Failure };
}

export type MediaKind = 'picture' | 'video';
export type ContainerStatus = 'IN_PROGRESS' | 'FINISHED' | 'ERROR' | 'EXPIRED' | 'PUBLISHED';

export interface ContainerRules {
  platform: Platform;
  maxBytes: Readonly<Record<MediaKind, number>>;
  /** What is wrong with a picture; undefined for nothing. */
  judgePicture(container: Container, facts: ImageFacts | undefined): Failure | undefined;
  failures: Readonly<
    Record<'timeout' | 'notFetchable' | 'tooLarge' | 'format' | 'processing', Record<MediaKind, Failure>>
  >;
}

export interface Containers {
  get(id: string): Container | undefined;
  /** Those made in the last 24 hours. */
  countOf(owner: string): number;
  /** When a container made now will be done, at the earliest. */
  readyAt(fault: Fault | undefined): number;
  /** Keeps it and, where its media has an address, goes for that. */
  add(container: Container, fault: Fault | undefined): Promise<void>;
  /** Takes in what was uploaded. */
  finishUpload(container: Container, media: StoredMedia): Promise<void>;
  statusOf(container: Container): ContainerStatus;
  failureOf(container: Container): Failure | undefined;
  clear(): void;
  /** Goes on with what a stop has broken off. */
  resume(): void;
}

const dayMs = 86_400_000;

export function createContainers(context: SandboxContext, rules: ContainerRules): Containers {
  const { platform, maxBytes, failures } = rules;
  const shelf = context.shelf<Container>(`${platform}-container`);
  const save = (container: Container) => shelf.put(container.id, container);

  function statusOf(container: Container): ContainerStatus {
    if (context.ledger.findByHandle(platform, container.id)) return 'PUBLISHED';
    const now = context.now().getTime();
    const processed = now >= container.readyAt;
    if (processed && container.result && 'failed' in container.result) return 'ERROR';
    if (now - container.createdAt >= context.settings.get().containerLifetimeMs) return 'EXPIRED';
    return processed && container.result ? 'FINISHED' : 'IN_PROGRESS';
  }

  function gatherChildren(ids: string[]): NonNullable<Container['result']> {
    const media: StoredMedia[] = [];
    const altTexts: (string | null)[] = [];
    for (const id of ids) {
      const result = shelf.get(id)?.result;
      if (!result || 'failed' in result) throw new Error(`Child ${id} has no media`);
      media.push(...result.media);
      altTexts.push(...result.altTexts);
    }
    return { media, altTexts };
  }

  /** Runs beside the answer, as the platform's own fetch does. A stop leaves it to the next start. */
  async function fetchMedia(container: Container): Promise<void> {
    const halted = context.halted();
    try {
      const taken = await takeIn(container, halted);
      if (halted.aborted) return;
      const result = 'failed' in taken ? taken : { media: [taken], altTexts: [container.altText] };
      await save({ ...container, result });
    } catch (error) {
      if (!halted.aborted) console.error(`sandbox: container ${container.id} cannot be kept`, error);
    }
  }

  async function takeIn(container: Container, halted: AbortSignal): Promise<StoredMedia | Failed> {
    if (container.source.from !== 'address') throw new Error(`${container.id} has no address`);
    const { url, kind, cover } = container.source;
    const downloaded = await download(url, kind, halted);
    if ('failed' in downloaded) return downloaded;
    if (kind === 'picture') return keepPicture(container, downloaded.bytes);
    const contentType = sniffVideo(downloaded.bytes);
    if (!contentType) return { failed: failures.format.video };
    if (cover) {
      const fetched = await download(cover, 'picture', halted);
      if ('failed' in fetched) return fetched;
      const facts = await probeImage(fetched.bytes);
      if (facts?.contentType !== 'image/jpeg') return { failed: failures.format.picture };
    }
    return context.media.put(downloaded.bytes, contentType);
  }

  async function keepPicture(container: Container, bytes: Buffer): Promise<StoredMedia | Failed> {
    const facts = await probeImage(bytes);
    const failed = rules.judgePicture(container, facts);
    return failed || !facts
      ? { failed: failed ?? failures.format.picture }
      : context.media.put(bytes, facts.contentType);
  }

  async function download(
    url: string,
    kind: MediaKind,
    halted: AbortSignal,
  ): Promise<{ bytes: Buffer } | Failed> {
    const timeout = AbortSignal.timeout(context.settings.get().mediaFetchTimeoutMs);
    try {
      const response = await context.fetch(url, {
        headers: { 'user-agent': 'facebookexternalhit/1.1' },
        redirect: 'manual',
        signal: AbortSignal.any([timeout, halted]),
      });
      if (response.status !== 200 || !response.body) {
        await response.body?.cancel();
        return { failed: failures.notFetchable[kind] };
      }
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        bytes += chunk.length;
        if (bytes > maxBytes[kind]) return { failed: failures.tooLarge[kind] };
        chunks.push(chunk);
      }
      return { bytes: Buffer.concat(chunks) };
    } catch {
      return { failed: timeout.aborted ? failures.timeout[kind] : failures.notFetchable[kind] };
    }
  }

  function firstResult(container: Container, fault: Fault | undefined): Container['result'] {
    if (fault?.kind === 'failed-processing') {
      return { failed: String(fault.subcode ?? fault.code ?? failures.processing.picture) };
    }
    switch (container.source.from) {
      case 'children':
        return gatherChildren(container.source.ids);
      case 'nothing':
        return { media: [], altTexts: [] };
      default:
        return undefined;
    }
  }

  return {
    get: (id) => shelf.get(id),
    countOf: (owner) => {
      const since = context.now().getTime() - dayMs;
      return shelf.list().filter((one) => one.owner === owner && one.createdAt > since).length;
    },
    readyAt: (fault) => {
      const slower = fault?.kind === 'slow-container' ? (fault.ms ?? 0) : 0;
      return context.now().getTime() + context.settings.get().containerProcessingMs + slower;
    },
    async add(made, fault) {
      const result = firstResult(made, fault);
      const container = { ...made, ...(result && { result }) };
      await save(container);
      if (!result && container.source.from === 'address') void fetchMedia(container);
    },
    finishUpload: (container, media) =>
      save({
        ...container,
        readyAt: context.now().getTime() + context.settings.get().containerProcessingMs,
        result: { media: [media], altTexts: [container.altText] },
      }),
    statusOf,
    failureOf: ({ result }) => (result && 'failed' in result ? result.failed : undefined),
    clear: () => shelf.clear(),
    resume() {
      for (const container of shelf.list()) {
        const isFetched = container.source.from === 'address' && !container.result;
        if (isFetched && statusOf(container) === 'IN_PROGRESS') void fetchMedia(container);
      }
    },
  };
}

interface Failed {
  failed: Failure;
}

/** By the first bytes; undefined if they are no MP4 or QuickTime. */
export function sniffVideo(bytes: Buffer): 'video/mp4' | 'video/quicktime' | undefined {
  if (bytes.subarray(4, 8).toString('latin1') !== 'ftyp') return undefined;
  return bytes.subarray(8, 12).toString('latin1') === 'qt  ' ? 'video/quicktime' : 'video/mp4';
}
