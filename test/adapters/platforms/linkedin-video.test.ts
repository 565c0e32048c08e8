import { createLinkedIn, linkedin } from '../../../adapters/platforms/linkedin.ts';
import type { FindQuery, MediaItem } from '../../../adapters/platforms/publisher.ts';
import { type Cell, failureOf, openStage } from './stage.ts';
import {
  type Answer,
  account,
  content,
  context,
  fetchFailure,
  media,
  outcomeOf,
  scripted,
  token,
  video,
} from './support.ts';

// Answers follow https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/videos-api
// and .../shares/posts-api (read 2026-11-21).

const now = () => new Date('2026-11-21T18:00:00Z');
const options = { ...linkedin.live, now, timings: { pollIntervalMs: 0, blindWaitMs: 0 } };
const linkedIn = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  return { ...createLinkedIn({ ...options, fetch }), sent };
};
const organization = account({
  ...{ platform: 'linkedin', kind: 'organization', externalId: 'urn:li:organization:42' },
});
const member = account({ platform: 'linkedin', kind: 'member', externalId: 'urn:li:person:Ab1' });
const restHeaders = {
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
  'linkedin-version': '202609',
  'x-restli-protocol-version': '2.0.0',
};
const urn = 'urn:li:video:C4E10';
const encodedUrn = 'urn%3Ali%3Avideo%3AC4E10';
const partUrl = (part: number) => `https://www.linkedin.com/dms-uploads/C4E10/${part}?sau=secret-${part}`;
const size = 10;
const film = (sizeBytes = size, altText: string | null = null): MediaItem => ({
  ...video('v', sizeBytes),
  altText,
});
const post = content('VIDEO', 'How it was made', [film()]);

const instructions = (...ends: number[]) =>
  ends.map((end, part) => ({ uploadUrl: partUrl(part), firstByte: ends[part - 1] ?? 0, lastByte: end - 1 }));
const started = (fields: Record<string, unknown> = {}): Answer => ({
  status: 200,
  body: {
    value: {
      video: urn,
      uploadToken: '',
      uploadUrlsExpireAt: now().getTime() + 3_600_000,
      uploadInstructions: instructions(4, 8, 10),
      ...fields,
    },
  },
});
const tagged = (part: number): Answer => ({ status: 200, headers: { etag: `/ambry/${part}` } });
const ended: Answer = { status: 200 };
const status = (value: string, fields: Record<string, unknown> = {}): Answer => ({
  ...{ status: 200, body: { id: urn, status: value, ...fields } },
});
const partRequest = (part: number, length: number) => ({
  method: 'PUT',
  url: partUrl(part),
  // No token goes to an address that is signed by itself.
  headers: { 'content-type': 'application/octet-stream' },
  body: new Uint8Array(length).fill(7),
});
const finalize = (...tags: string[]) => ({
  method: 'POST',
  url: 'https://api.linkedin.com/rest/videos?action=finalizeUpload',
  headers: restHeaders,
  body: { finalizeUploadRequest: { video: urn, uploadToken: '', uploadedPartIds: tags } },
});
const look = {
  method: 'GET',
  url: `https://api.linkedin.com/rest/videos/${encodedUrn}`,
  headers: restHeaders,
  body: undefined,
};
const allTags = ['/ambry/0', '/ambry/1', '/ambry/2'];

describe('prepare', () => {
  it('starts, uploads each part to its own address, hands the tags back in order and waits', async () => {
    const { organization: adapter, sent } = linkedIn(
      ...[started(), tagged(0), tagged(1), tagged(2), ended, status('PROCESSING'), status('AVAILABLE')],
    );
    const told = context();
    const handle = await adapter.preparer.prepare(organization, post, media, told);
    expect(handle).toEqual({ ids: { videoUrn: urn }, expiresAt: null });
    expect(sent).toEqual([
      {
        method: 'POST',
        url: 'https://api.linkedin.com/rest/videos?action=initializeUpload',
        headers: restHeaders,
        body: {
          initializeUploadRequest: {
            owner: 'urn:li:organization:42',
            fileSizeBytes: 10,
            uploadCaptions: false,
            uploadThumbnail: false,
          },
        },
      },
      ...[partRequest(0, 4), partRequest(1, 4), partRequest(2, 2)],
      ...[finalize(...allTags), look, look],
    ]);
    expect(told.told).toEqual([
      'Uploading video v to LinkedIn (0 %)',
      'Uploading video v to LinkedIn (40 %)',
      'Uploading video v to LinkedIn (80 %)',
      `LinkedIn is processing ${urn} (PROCESSING)`,
    ]);
  });

  /** What an attempt keeps that is cut off by the last of these answers. */
  const keptBy = async (...answers: Parameters<typeof scripted>) => {
    const told = context();
    await outcomeOf(linkedIn(...answers).organization.preparer.prepare(organization, post, media, told));
    return told.kept as Record<string, string | number>[];
  };
  const cut = fetchFailure('ECONNRESET');

  it('keeps what it was given before the first part, and every tag as it comes', async () => {
    const kept = await keptBy(started(), tagged(0), cut);
    expect(kept.map(({ tags, isFinished }) => [tags, isFinished])).toEqual([
      ['[]', 0],
      ['["/ambry/0"]', 0],
    ]);
    expect(await keptBy(started(), cut)).toHaveLength(1);
  });

  it('goes on after a crash with the parts that are missing', async () => {
    const [, kept] = await keptBy(started(), tagged(0), cut);
    const { organization: adapter, sent } = linkedIn(
      ...[status('WAITING_UPLOAD'), tagged(1), tagged(2), ended, status('AVAILABLE')],
    );
    const handle = await adapter.preparer.prepare(organization, post, media, context(kept));
    expect(handle.ids).toEqual({ videoUrn: urn });
    expect(sent).toEqual([look, partRequest(1, 4), partRequest(2, 2), finalize(...allTags), look]);
  });

  it('only waits where the upload had ended before the crash, whoever knows of it', async () => {
    const beforeEnd = (await keptBy(started(), tagged(0), tagged(1), tagged(2), cut)).at(-1)!;
    const lostAnswer = linkedIn(status('PROCESSING'), status('AVAILABLE'));
    await lostAnswer.organization.preparer.prepare(organization, post, media, context(beforeEnd));
    expect(lostAnswer.sent).toEqual([look, look]);

    const afterEnd = (await keptBy(started(), tagged(0), tagged(1), tagged(2), ended, cut)).at(-1)!;
    const known = linkedIn(status('AVAILABLE'));
    await known.organization.preparer.prepare(organization, post, media, context(afterEnd));
    expect(known.sent).toEqual([look]);
  });

  it('starts anew when the addresses have ended, or the bytes are others', async () => {
    const soon = { uploadUrlsExpireAt: now().getTime() + 59_000 };
    const [, ending] = await keptBy(started(soon), tagged(0), cut);
    const all = [started(), tagged(0), tagged(1), tagged(2), ended, status('AVAILABLE')];
    const late = linkedIn(status('WAITING_UPLOAD'), ...all);
    await late.organization.preparer.prepare(organization, post, media, context(ending));
    expect(late.sent[1]!.url).toContain('action=initializeUpload');

    const [, kept] = await keptBy(started(), tagged(0), cut);
    const other = linkedIn(...all);
    const changed = { ...kept, sha256: '2'.repeat(64) };
    await other.organization.preparer.prepare(organization, post, media, context(changed));
    expect(other.sent[0]!.url).toContain('action=initializeUpload');
  });

  it('asks for other addresses next time where one that served is refused, and not where the first is', async () => {
    const refused = { status: 403, body: 'Expired' };
    const told = context();
    const served = linkedIn(started(), tagged(0), refused);
    const error = await outcomeOf(served.organization.preparer.prepare(organization, post, media, told));
    expect([error.code, error.details.sent]).toEqual(['unavailable', false]);
    expect(told.kept.at(-1)).toEqual({});

    const never = linkedIn(started(), refused);
    const first = await outcomeOf(never.organization.preparer.prepare(organization, post, media, context()));
    expect(first.code).toBe('rejected');
    const slow = linkedIn(started(), tagged(0), { status: 429, body: 'x' });
    const throttled = context();
    await outcomeOf(slow.organization.preparer.prepare(organization, post, media, throttled));
    expect(throttled.kept.at(-1)).not.toEqual({});
  });

  it("goes on by what it kept, and waits blindly, where a member's token may not look", async () => {
    const [, kept] = await keptBy(started(), tagged(0), cut);
    const denied = { status: 403, body: { code: 'ACCESS_DENIED', message: 'Not enough permissions' } };
    const { member: adapter, sent } = linkedIn(denied, tagged(1), tagged(2), ended, denied);
    const told = context(kept);
    expect((await adapter.preparer.prepare(member, post, media, told)).ids).toEqual({ videoUrn: urn });
    expect(sent).toHaveLength(5);
    expect(told.told.at(-1)).toBe('Waiting for LinkedIn to process the video');
  });

  it('says why LinkedIn could not process the video', async () => {
    const failed = status('PROCESSING_FAILED', { processingFailureReason: 'No video track' });
    const { organization: adapter } = linkedIn(started(), tagged(0), tagged(1), tagged(2), ended, failed);
    const error = await outcomeOf(adapter.preparer.prepare(organization, post, media, context()));
    expect([error.code, error.message, error.details.handleIsDead]).toEqual([
      'rejected',
      `LinkedIn could not process ${urn} (No video track)`,
      true,
    ]);
  });

  it.each([
    ['a gap', { uploadInstructions: instructions(4, 10).map((one, at) => ({ ...one, firstByte: at * 5 })) }],
    ['an end too early', { uploadInstructions: instructions(4, 8) }],
    ['no parts', { uploadInstructions: [] }],
    ['a part without an address', { uploadInstructions: [{ firstByte: 0, lastByte: 9 }] }],
    ['no video', { video: undefined }],
    ['no expiry', { uploadUrlsExpireAt: undefined }],
  ])('does not upload by instructions with %s', async (_what, fields) => {
    const { organization: adapter, sent } = linkedIn(started(fields));
    const error = await outcomeOf(adapter.preparer.prepare(organization, post, media, context()));
    expect(error.code).toBe('unexpected-response');
    expect(sent).toHaveLength(1);
  });

  it('sends no bytes to an address elsewhere, and no part without a tag is taken', async () => {
    const evil = [{ uploadUrl: 'https://uploads.evil.example/a', firstByte: 0, lastByte: 9 }];
    const away = linkedIn(started({ uploadInstructions: evil }));
    const error = await outcomeOf(away.organization.preparer.prepare(organization, post, media, context()));
    expect(error.message).toContain('https://uploads.evil.example is not a host of this adapter');
    expect(away.sent).toHaveLength(1);
    const untagged = linkedIn(started(), { status: 200 });
    const none = await outcomeOf(
      untagged.organization.preparer.prepare(organization, post, media, context()),
    );
    expect(none.message).toBe('LinkedIn video upload: no ETag in the answer');
  });

  it('shows neither the address of a part nor the token', async () => {
    const said = `${partUrl(0)} ${token}`;
    const { organization: adapter } = linkedIn(started(), { status: 400, body: { message: said } });
    const error = await outcomeOf(adapter.preparer.prepare(organization, post, media, context()));
    expect(error.message).not.toMatch(/secret-0|AQX-very-secret/);
  });
});

describe('commit and find', () => {
  const handle = { ids: { videoUrn: urn }, expiresAt: null };

  it('names the video in the post', async () => {
    const { organization: adapter, sent } = linkedIn({
      ...{ status: 201, headers: { 'x-restli-id': 'urn:li:ugcPost:7' } },
    });
    const described = content('VIDEO', 'x', [film(size, 'A red door opens')]);
    const receipt = await adapter.publisher.commit(organization, described, handle, context());
    expect(receipt.publicId).toBe('urn:li:ugcPost:7');
    expect(sent).toHaveLength(1);
    expect(sent[0]!.body).toMatchObject({ content: { media: { id: urn, altText: 'A red door opens' } } });
  });

  it('goes by the URN of the video whatever the text became', async () => {
    const at = now().getTime();
    const query: FindQuery = {
      ...{ content: post, handle },
      ...{ sentAfter: new Date(at - 5_000), sentBefore: new Date(at) },
    };
    const listed = (id: string, mediaUrn: string) => ({
      ...{ id, commentary: 'cut', publishedAt: at, content: { media: { id: mediaUrn } } },
    });
    const find = (...elements: unknown[]) =>
      linkedIn({ status: 200, body: { elements } }).organization.finder.find(
        ...([organization, query, context()] as const),
      );
    const other = listed('urn:li:share:1', 'urn:li:video:other');
    expect(await find(other, listed('urn:li:share:2', urn))).toMatchObject({
      receipt: { publicId: 'urn:li:share:2' },
    });
    expect(await find(other)).toEqual({ kind: 'absent', proof: 'read' });
  });
});

describe('against a server that speaks the protocol', () => {
  it('uploads a video of three parts, cut off twice, as it is', async () => {
    const stage = await openStage();
    try {
      const cell: Cell = { platform: 'linkedin', kind: 'member', type: 'VIDEO' };
      const large = 9_000_000;
      const words = stage.contentOf(cell, 'three parts');
      const whole = { ...words, media: [{ ...words.media[0]!, sizeBytes: large }] };
      const { preparer, publisher } = stage.adapterOf(cell);
      let kept: Record<string, string | number> | null = null;
      const attempt = async () => {
        const told = context(kept);
        try {
          return await preparer!.prepare(stage.accountOf(cell), whole, media, told);
        } finally {
          kept = (told.kept.at(-1) as typeof kept) ?? kept;
        }
      };
      for (const operation of ['linkedin.videos.upload', 'linkedin.videos.finalize'] as const) {
        const after = operation === 'linkedin.videos.upload' ? 1 : 0;
        await stage.fail(cell, { operation, kind: 'accept-then-reset', after });
        expect(await failureOf(attempt())).toMatchObject({ code: 'outcome-unknown' });
      }
      const handle = await attempt();
      const receipt = await publisher.commit(stage.accountOf(cell), whole, handle, context());
      const entries = await stage.ledgerOf(cell);
      expect(entries).toEqual([expect.objectContaining({ postType: 'VIDEO', publicId: receipt.publicId })]);
      expect(entries[0]!.media).toEqual([
        expect.objectContaining({ bytes: large, contentType: 'video/mp4' }),
      ]);
      const puts = (await stage.control('GET', 'requests?operation=linkedin.videos.upload')).requests;
      // Of the parts only the one whose answer was lost went twice.
      expect(puts).toHaveLength(4);
    } finally {
      await stage.stop();
    }
  });
});
