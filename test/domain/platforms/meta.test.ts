import { checkTarget, type MediaFacts, type TargetInput } from '../../../domain/platform-rules.ts';

const jpeg: MediaFacts = { contentType: 'image/jpeg', sizeBytes: 200_000, width: 1_080, height: 1_080 };
const film = (fields: Partial<MediaFacts> = {}): MediaFacts => ({
  ...{ contentType: 'video/mp4', sizeBytes: 9_000_000, width: 1_080, height: 1_920 },
  ...{ durationSeconds: 12, frameRate: 30, videoCodec: 'AVC', audioCodec: 'AAC' },
  ...fields,
});
const on = (platform: 'instagram' | 'threads') => (fields: Partial<TargetInput>) =>
  checkTarget({
    ...{ platform, kind: platform === 'threads' ? 'user' : 'business', type: 'TEXT_ONLY', text: 'Hello' },
    media: undefined,
    ...fields,
  }).map(({ code, field }) => `${code} ${field}`);

describe('Instagram', () => {
  const codes = on('instagram');

  it('takes reels of 3 seconds to 15 minutes, with a cover of any shape', () => {
    const reel = (fields: Partial<MediaFacts>) => codes({ type: 'REEL', media: [film(fields)] });
    expect(reel({ cover: { ...jpeg, height: 1_920 } })).toEqual([]);
    expect(reel({ durationSeconds: 900 })).toEqual([]);
    expect(reel({ durationSeconds: 2 })).toEqual(['duration media[0]']);
    expect(reel({ durationSeconds: 901 })).toEqual(['duration media[0]']);
    expect(reel({ sizeBytes: 300_000_001 })).toEqual(['file-too-large media[0]']);
    expect(reel({ width: 2_160, height: 3_840 })).toEqual(['dimensions media[0]']);
    expect(reel({ videoCodec: 'VP9' })).toEqual(['codec-unsupported media[0]']);
    expect(reel({ frameRate: 90 })).toEqual(['frame-rate media[0]']);
    expect(reel({ altText: 'A door' })).toEqual(['alt-text-too-long media[0].altText']);
  });

  it('takes a story of one picture or video, without words and without a comment', () => {
    expect(codes({ type: 'STORY', text: '', media: [{ ...jpeg, height: 1_920 }] })).toEqual([]);
    expect(codes({ type: 'STORY', text: '', media: [film()] })).toEqual([]);
    expect(codes({ type: 'STORY', text: 'x', media: [film()] })).toEqual(['text-too-long text']);
    expect(codes({ type: 'STORY', text: '', media: [film({ durationSeconds: 61 })] })).toEqual([
      'duration media[0]',
    ]);
    expect(codes({ type: 'STORY', text: '', firstComment: 'x' })).toEqual([
      'first-comment-unsupported firstComment',
    ]);
  });

  it('mixes pictures and videos in a carousel, and knows its options', () => {
    const media = [jpeg, film()];
    expect(codes({ type: 'CAROUSEL', media, options: { collaborators: ['ada', 'grace', 'mary'] } })).toEqual(
      [],
    );
    const four = { collaborators: ['a', 'b', 'c', 'd'] };
    expect(codes({ type: 'CAROUSEL', media, options: four })).toEqual([
      'option-invalid options.collaborators',
    ]);
    const options = { shareToFeed: false, thumbOffsetMs: 0, trial: 'MANUAL', audioName: 'Doors' };
    expect(codes({ type: 'REEL', media: [film()], options })).toEqual([]);
    expect(codes({ type: 'VIDEO', media: [film()], options: { shareToFeed: true } })).toEqual([
      'option-unknown options.shareToFeed',
    ]);
  });
});

describe('Threads', () => {
  const codes = on('threads');

  it('counts an emoji by its bytes, and five links', () => {
    expect(codes({ text: `${'x'.repeat(496)}😀` })).toEqual([]);
    expect(codes({ text: `${'x'.repeat(497)}😀` })).toEqual(['text-too-long text']);
    const links = (count: number) =>
      Array.from({ length: count }, (_, index) => `https://a${index}.example.com`).join(' ');
    expect(codes({ text: links(5) })).toEqual([]);
    expect(codes({ text: links(6) })).toEqual(['too-many-links text']);
  });

  it('goes on in parts, each a text of its own', () => {
    expect(codes({ thread: ['2/3', '3/3'], firstComment: 'More' })).toEqual([]);
    expect(codes({ thread: ['', 'x'.repeat(501)] })).toEqual([
      'text-missing thread[0]',
      'text-too-long thread[1]',
    ]);
  });

  it('takes up to twenty pictures and videos, and a link beside a text alone', () => {
    const media = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? jpeg : film()));
    expect(codes({ type: 'CAROUSEL', media })).toEqual([]);
    expect(codes({ type: 'CAROUSEL', media: [...media, jpeg] })).toEqual(['too-many-media media']);
    const options = { linkAttachment: 'https://doors.example/', topicTag: 'Red doors' };
    expect(codes({ options })).toEqual([]);
    expect(codes({ type: 'SINGLE_IMAGE', media: [jpeg], options })).toEqual([
      'option-unknown options.linkAttachment',
    ]);
    expect(codes({ options: { topicTag: 'a.b' } })).toEqual(['option-invalid options.topicTag']);
    expect(codes({ type: 'REEL', media: [film()] })).toEqual(['post-type-unsupported type']);
  });
});
