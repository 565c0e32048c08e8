import { Readable } from 'node:stream';
import type { AdapterOptions } from '../../../adapters/platforms/definition.ts';
import type { PreparedHandle } from '../../../adapters/platforms/publisher.ts';
import { createReddit, reddit } from '../../../adapters/platforms/reddit.ts';
import { type Answer, account, content, picture, type Sent, scripted, token, video } from './support.ts';

/** What Reddit answers, posts to send it, and how it is called: for its tests. */

// Answers follow what https://github.com/praw-dev/praw recorded of Reddit (tests/integration/cassettes, read 2026-11-21):
// test_submit__selftext, test_submit__url_selftext, test_submit__verify_invalid, test_submit_image, test_submit_video,
// test_submit_gallery, test_post_requirements, TestSubmission.test_reply, test_edit and test_delete.

export const now = new Date('2026-11-21T18:00:00Z');
export const options: Omit<AdapterOptions, 'fetch'> = {
  ...reddit.live,
  timings: { pollIntervalMs: 0, commitTimeoutMs: 400 },
  now: () => now,
};

/** Like `scripted`, but reads what is streamed before it answers, as a server does. */
export function redditWith(...answers: (Answer | Error)[]) {
  const { fetch, sent } = scripted(...answers);
  const reading: typeof fetch = async (url, init) => {
    if (!(init.body instanceof Readable)) return fetch(url, init);
    const body = Buffer.concat(await init.body.toArray()).toString('latin1');
    return fetch(url, { ...init, body });
  };
  return { ...createReddit({ ...options, fetch: reading }).user, sent };
}

export const user = account({ platform: 'reddit', kind: 'user', externalId: 'gatepost_dev' });
export const agent = 'web:gatepost:v0.1 (by /u/gatepost)';
export const headers = { authorization: `Bearer ${token}`, 'user-agent': agent };
export const formHeaders = { ...headers, 'content-type': 'application/x-www-form-urlencoded' };
export const jsonHeaders = { ...headers, 'content-type': 'application/json' };
export const api = 'https://oauth.reddit.com';
export const title = 'Launch day';
export const inWebdev = { title, options: { subreddit: 'webdev' } };
export const text = content('TEXT_ONLY', 'We *did* it', [], inWebdev);
export const link = content('TEXT_ONLY', '', [], {
  title,
  options: { subreddit: 'webdev', url: 'https://example.com/launch' },
});
export const image = content('SINGLE_IMAGE', '', [picture('a')], inWebdev);
export const film = content('VIDEO', 'Look', [video('v', 5, picture('p'))], inWebdev);
export const gallery = content('CAROUSEL', 'Two of them', [picture('a'), picture('b')], inWebdev);

export const storage = 'https://reddit-uploaded-media.s3-accelerate.amazonaws.com';
export const films = 'https://reddit-uploaded-video.s3-accelerate.amazonaws.com';
export const handleOf = (
  assetIds: string[],
  urls: string[] = [],
  posterUrl: string | null = null,
): PreparedHandle => ({
  ids: { assetIds },
  secret: JSON.stringify({ urls, posterUrl }),
  expiresAt: null,
});
export const imageHandle = handleOf(['8xjguc40cnrb1'], [`${storage}/8xjguc40cnrb1`]);
export const filmHandle = handleOf(['5ph4906syw261'], [`${films}/5ph4906syw261`], `${storage}/b7dipjasyw261`);
export const galleryHandle = handleOf(['pb7qsvi6i3c51', '14wmudl6i3c51']);

export const ok = (body: unknown, more: Record<string, string> = {}): Answer => ({
  status: 200,
  headers: more,
  body,
});
export const made = ok({
  json: {
    errors: [],
    data: {
      url: 'https://www.reddit.com/r/webdev/comments/4bbe4b/launch_day/',
      drafts_count: 0,
      id: '4bbe4b',
      name: 't3_4bbe4b',
    },
  },
});
export const taken = ok({
  json: {
    errors: [],
    data: {
      user_submitted_page: 'https://www.reddit.com/user/gatepost_dev/submitted/',
      websocket_url: 'wss://k8s-lb.wss.redditmedia.com/8xjguc40cnrb1?m=AQAA5dAZ',
    },
  },
});
export const refused = (code: string, sentence: string, more: Record<string, unknown> = {}) =>
  ok({ json: { errors: [[code, sentence, 'sr']], ...more } });
export const listed = (...posts: Record<string, unknown>[]) => pageOf(null, ...posts);
export const pageOf = (after: string | null, ...posts: Record<string, unknown>[]) =>
  ok({ kind: 'Listing', data: { after, children: posts.map((data) => ({ kind: 't3', data })) } });
export const createdAt = Date.parse('2026-11-21T17:30:00Z');
export const post = (fields: Record<string, unknown> = {}) => ({
  name: 't3_4bbe4b',
  subreddit: 'webdev',
  title,
  selftext: 'We *did* it',
  url: 'https://www.reddit.com/r/webdev/comments/4bbe4b/launch_day/',
  is_self: true,
  created_utc: createdAt / 1000,
  permalink: '/r/webdev/comments/4bbe4b/launch_day/',
  ...fields,
});
export const imagePost = post({
  ...{ name: 't3_16xb01r', is_self: false, selftext: '', url: 'https://i.redd.it/8xjguc40cnrb1.png' },
  permalink: '/r/webdev/comments/16xb01r/launch_day/',
});
export const receipt = {
  publicId: 't3_4bbe4b',
  permalink: 'https://www.reddit.com/r/webdev/comments/4bbe4b/launch_day/',
};
export const form = (sent: Sent | undefined) => Object.fromEntries(new URLSearchParams(String(sent?.body)));
export const submittedUrl = `${api}/user/gatepost_dev/submitted?sort=new&limit=25&raw_json=1`;
export const usualForm = {
  ...{ api_type: 'json', sr: 'webdev', title, nsfw: 'false', spoiler: 'false', sendreplies: 'true' },
  validate_on_submit: 'true',
};
