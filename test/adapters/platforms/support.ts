import type { Fetch } from '../../../adapters/platforms/http.ts';
import type {
  Account,
  CommitContext,
  MediaAccess,
  MediaItem,
  PrepareContext,
  PublicContent,
} from '../../../adapters/platforms/publisher.ts';
import { OutcomeError } from '../../../domain/outcome.ts';

export interface Sent {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  /** Parsed where it is JSON, as it is otherwise. */
  readonly body: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

/** A `fetch` that answers from a list, in order, and keeps what was sent. An `Error` in the list is thrown. */
export function scripted(...answers: (Answer | Error)[]): { fetch: Fetch; sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch: Fetch = async (url, init) => {
    sent.push({
      method: init.method!,
      url,
      headers: Object.fromEntries(new Headers(init.headers)),
      body: readBody(init.body),
    });
    expect(init.redirect).toBe('manual');
    const answer = answers.shift();
    if (!answer) throw new Error(`No answer left for ${init.method} ${url}`);
    if (answer instanceof Error) throw answer;
    const text =
      typeof answer.body === 'string' || answer.body === undefined
        ? answer.body
        : JSON.stringify(answer.body);
    return new Response(answer.status === 204 ? null : text, {
      status: answer.status,
      headers: answer.headers,
    });
  };
  return { fetch, sent };
}

function readBody(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

/** What Node's `fetch` throws: a bare TypeError with the reason as its cause. */
export function fetchFailure(code: string, syscall?: string): Error {
  return Object.assign(new TypeError('fetch failed'), {
    cause: Object.assign(new Error(code), { code, syscall }),
  });
}

export const token = 'AQX-very-secret-token';

/** Serves every call: what a preparation keeps of an upload is in `kept`. */
export const context = (
  kept: Readonly<Record<string, string | number>> | null = null,
): PrepareContext & CommitContext & { told: string[]; kept: unknown[]; pauses: number[] } => {
  const [told, keptLater, pauses]: [string[], unknown[], number[]] = [[], [], []];
  return {
    signal: new AbortController().signal,
    progress: (description) => void told.push(description),
    slowDown: (forMs) => void pauses.push(forMs),
    media,
    upload: { kept, keep: async (progress) => void keptLater.push(progress) },
    told,
    kept: keptLater,
    pauses,
  };
};

export const account = (fields: Pick<Account, 'platform' | 'kind' | 'externalId'>): Account => ({
  ...fields,
  accessToken: token,
});

export const picture = (mediaId: string, altText: string | null = null): MediaItem => ({
  mediaId,
  sha256: '0'.repeat(64),
  contentType: 'image/jpeg',
  sizeBytes: 3,
  width: 1080,
  height: 1080,
  altText,
});

export const content = (
  type: PublicContent['type'],
  text: string,
  media: MediaItem[] = [],
  extra: Pick<PublicContent, 'title' | 'options'> = {},
): PublicContent => ({ type, text, media, ...extra });

export const media: MediaAccess & { asked: [string, number][]; askedFrom: string[] } = {
  asked: [],
  askedFrom: [],
  url: async (item, seconds, from = 'store') => {
    media.asked.push([item.mediaId, seconds]);
    media.askedFrom.push(from);
    return `https://media.example/${item.mediaId}.jpg?X-Amz-Signature=abc123`;
  },
  bytes: async () => new Uint8Array([1, 2, 3]),
  range: async (_item, start, end) => new Uint8Array(end - start).fill(7),
  async *stream(item) {
    yield new Uint8Array(item.sizeBytes).fill(7);
  },
};

/** A video of 12 seconds, upright, of as many bytes as asked. */
export const video = (mediaId: string, sizeBytes = 3, cover?: MediaItem): MediaItem => ({
  ...{ mediaId, sha256: '1'.repeat(64), contentType: 'video/mp4', sizeBytes },
  ...{ width: 1080, height: 1920, altText: null, durationSeconds: 12 },
  ...(cover && { cover }),
});

/** Runs a call that must fail with an `OutcomeError` and returns it. */
export async function outcomeOf(call: Promise<unknown>): Promise<OutcomeError> {
  const error = await call.then(
    () => new Error('The call did not fail'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof OutcomeError)) throw error;
  return error;
}
