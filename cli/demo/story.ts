import type { ApiClient } from './api-client.ts';
import type { PlayedPost } from './play-campaign.ts';

interface TimelineEvent {
  readonly id: string;
  readonly type: string;
  readonly occurredAt: string;
  readonly actorName: string | null;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

export interface PostView {
  readonly status: string;
  readonly blockedOn: readonly { message: string }[];
  readonly targets: readonly {
    platform: string;
    permalink: string | null;
    publicId: string | null;
    error: { message: string } | null;
  }[];
}

/** Tells the lives of posts as they happen: each event once, in the order it became readable. */
export class Story {
  readonly #client: ApiClient;
  readonly #cursors = new Map<string, string>();
  readonly #startedAtMs = Date.now();

  constructor(client: ApiClient) {
    this.#client = client;
  }

  async newLines(post: PlayedPost): Promise<string[]> {
    const cursor = this.#cursors.get(post.postId);
    const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : '';
    const answer = await this.#client.get<{ events: TimelineEvent[]; nextCursor: string | null }>(
      `/posts/${post.postId}/timeline${query}`,
    );
    if (answer.nextCursor) this.#cursors.set(post.postId, answer.nextCursor);
    return answer.events.map((event) => this.#line(post, event));
  }

  #line(post: PlayedPost, event: TimelineEvent): string {
    // The first events may be a little older than their teller.
    const seconds = Math.max(0, new Date(event.occurredAt).getTime() - this.#startedAtMs) / 1000;
    const who = event.actorName ? `by ${event.actorName}` : '';
    return `${seconds.toFixed(1).padStart(6)} s  ${post.key.padEnd(18)} ${event.type.padEnd(22)} ${[who, detail(event)].filter(Boolean).join(' · ')}`;
  }
}

/** What of an event's facts is worth a line. */
function detail({ data }: TimelineEvent): string {
  const shown = ['gate', 'round', 'returnTo', 'reopened', 'revision', 'permalink', 'errorMessage', 'reason'];
  return shown
    .filter((name) => data[name] !== undefined && data[name] !== null && data[name] !== '')
    .map((name) => `${name} ${data[name]}`)
    .join(', ');
}
