import { OutcomeError } from '../../domain/outcome.ts';
import { dataOf, type GraphBody, parseGraphTime } from './graph.ts';
import { isObject } from './http.ts';
import type { FindQuery, FindResult, PreparedHandle, Quota } from './publisher.ts';
import { unprepared } from './supported.ts';

/**
 * What Instagram and Threads share: a post is a container before it is public. Nobody sees it, it becomes public once at
 * most, and its status tells whether it has.
 */

const containerStatuses = ['IN_PROGRESS', 'FINISHED', 'ERROR', 'EXPIRED', 'PUBLISHED'] as const;
export type ContainerStatus = (typeof containerStatuses)[number];

/** A container not published within 24 hours expires; we stop trusting it an hour earlier. */
export const containerLifeMs = 23 * 3_600_000;
/** Our clock and Meta's may differ by this much when a post's time is compared with the window of a commit. */
const clockSkewMs = 60_000;

export function parseContainerStatus(value: unknown, name: string): ContainerStatus {
  const status = containerStatuses.find((known) => known === value);
  if (status) return status;
  const message = `${name} container status: unknown status ${JSON.stringify(value)}`;
  throw new OutcomeError('unexpected-response', message);
}

export function containerIdOf(handle: PreparedHandle | null): string | null {
  const id = handle?.ids.containerId;
  return typeof id === 'string' && id !== '' ? id : null;
}

/** For a commit, which sends nothing without one. */
export function requireContainerId(handle: PreparedHandle | null, name: string): string {
  const id = containerIdOf(handle);
  if (id !== null) return id;
  throw unprepared(`${name} publish: no container was prepared`);
}

/** Something public that a list of the platform shows. */
export interface Listed {
  readonly id: string;
  readonly text: string;
  readonly publishedAt: number;
  readonly permalink: string | null;
}

/** Reads a list whose elements have their text in `textField`; one without text has no such field. */
export function parseListed(body: GraphBody, textField: string, what: string): readonly Listed[] {
  return dataOf(body, what).map(({ id, timestamp, permalink, [textField]: text }) => {
    const publishedAt = parseGraphTime(timestamp);
    if (typeof id !== 'string' || publishedAt === null) {
      throw new OutcomeError('unexpected-response', `${what}: an element has no id or no time`);
    }
    return {
      ...{ id, publishedAt },
      text: typeof text === 'string' ? text : '',
      permalink: typeof permalink === 'string' ? permalink : null,
    };
  });
}

/** What a container's status says of a commit; `list` shows what may be it once it is public. */
export async function findByContainer(
  containerId: string,
  status: ContainerStatus,
  list: () => Promise<FindResult>,
): Promise<FindResult> {
  switch (status) {
    case 'PUBLISHED':
      return list();
    case 'FINISHED':
      return { kind: 'absent', proof: 'single-use-handle' };
    case 'EXPIRED':
    case 'ERROR':
      return { kind: 'absent', proof: 'single-use-handle', handleIsDead: true };
    case 'IN_PROGRESS':
      return { kind: 'cannot-tell', reason: `container ${containerId} is in progress` };
    default:
      throw new OutcomeError('unexpected-response', `Unknown container status ${status satisfies never}`);
  }
}

type Window = Pick<FindQuery, 'sentAfter' | 'sentBefore'>;

/** What of a list has the text and falls into the window of a commit. */
export function matching(listed: readonly Listed[], text: string, window: Window): readonly Listed[] {
  const from = window.sentAfter.getTime() - clockSkewMs;
  const to = window.sentBefore.getTime() + clockSkewMs;
  const wanted = comparable(text);
  return listed.filter(
    (one) => one.publishedAt >= from && one.publishedAt <= to && comparable(one.text) === wanted,
  );
}

/** The container is public for certain; which of the listed it became follows from text and time. */
export function mapPublished(listed: readonly Listed[], text: string, window: Window): FindResult {
  const [only, ...others] = matching(listed, text, window);
  if (!only) return { kind: 'cannot-tell', reason: 'published, id not listed yet' };
  if (others.length > 0) {
    const count = others.length + 1;
    return { kind: 'cannot-tell', reason: `published, and ${count} listed posts fit caption and time` };
  }
  return { kind: 'found', receipt: { publicId: only.id, permalink: only.permalink } };
}

/**
 * A reply has no container that anybody kept, so it is looked for among what stands below its parent, newest first. A
 * page that is not full, or that reaches back before the window, shows all there is.
 */
export function mapReplies(
  listed: readonly Listed[],
  pageSize: number,
  text: string,
  window: Window,
): FindResult {
  const [found] = matching(listed, text, window);
  if (found) return { kind: 'found', receipt: { publicId: found.id, permalink: found.permalink } };
  const from = window.sentAfter.getTime() - clockSkewMs;
  if (listed.length < pageSize || listed.some(({ publishedAt }) => publishedAt < from)) {
    return { kind: 'absent', proof: 'read' };
  }
  return { kind: 'cannot-tell', reason: `the window lies behind the ${pageSize} replies listed` };
}

/** The first element of what the publishing limits answer. */
export function parseQuota(body: GraphBody, what: string): Quota {
  const { quota_usage: used, config } = dataOf(body, what)[0] ?? {};
  const { quota_total: total, quota_duration: windowSeconds } = isObject(config) ? config : {};
  if (typeof used !== 'number' || typeof total !== 'number' || typeof windowSeconds !== 'number') {
    throw new OutcomeError('unexpected-response', `${what}: no usage or no total in the answer`);
  }
  return { used, total, windowSeconds };
}

export const sinceOf = ({ sentAfter }: Window): number =>
  Math.floor((sentAfter.getTime() - clockSkewMs) / 1_000);

// Some readers are shown texts without their @ signs, see each platform.
const comparable = (text: string): string =>
  text.replace(/\r\n?/g, '\n').replaceAll('@', '').trim().normalize('NFC');
