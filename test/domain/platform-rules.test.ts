import {
  briefFormats,
  checkTarget,
  isKindOf,
  type MediaFacts,
  ruleFor,
  type TargetInput,
} from '../../domain/platform-rules.ts';
import { platformRules } from '../../domain/platforms/index.ts';
import { platforms, postTypes } from '../../domain/post.ts';
import { countHashtags, countMentions } from '../../domain/text-length.ts';

const jpeg = (fields: Partial<MediaFacts> = {}): MediaFacts => ({
  contentType: 'image/jpeg',
  sizeBytes: 200_000,
  width: 1080,
  height: 1350,
  ...fields,
});
const check = (fields: Partial<TargetInput>) =>
  checkTarget({
    platform: 'linkedin',
    kind: 'member',
    type: 'TEXT_ONLY',
    text: 'Hello',
    media: undefined,
    ...fields,
  });
const onInstagram = { platform: 'instagram', kind: 'business' } as const;
const codes = (fields: Partial<TargetInput>) => check(fields).map(({ code, field }) => `${code} ${field}`);

describe('the table of types', () => {
  it('has a cell for every platform and type: what is supported, and for everything else a reason', () => {
    const all = ['TEXT_ONLY', 'SINGLE_IMAGE', 'CAROUSEL', 'VIDEO', 'STORY', 'REEL'];
    const supported = platforms.map((platform) => [
      platform,
      postTypes.filter((type) => ruleFor(platform, type).isSupported),
    ]);
    expect(Object.fromEntries(supported)).toEqual({
      facebook: all,
      instagram: ['SINGLE_IMAGE', 'CAROUSEL', 'VIDEO', 'STORY', 'REEL'],
      linkedin: ['TEXT_ONLY', 'SINGLE_IMAGE', 'CAROUSEL', 'VIDEO'],
      mastodon: ['TEXT_ONLY', 'SINGLE_IMAGE', 'CAROUSEL', 'VIDEO', 'REEL'],
      pinterest: ['SINGLE_IMAGE', 'CAROUSEL', 'VIDEO', 'REEL'],
      reddit: ['TEXT_ONLY', 'SINGLE_IMAGE', 'CAROUSEL', 'VIDEO'],
      threads: ['TEXT_ONLY', 'SINGLE_IMAGE', 'CAROUSEL', 'VIDEO'],
      tiktok: ['SINGLE_IMAGE', 'CAROUSEL', 'VIDEO', 'REEL'],
      x: ['TEXT_ONLY', 'SINGLE_IMAGE', 'CAROUSEL', 'VIDEO', 'REEL'],
      youtube: ['VIDEO', 'REEL'],
    });
    for (const platform of platforms)
      for (const type of postTypes) {
        const rule = ruleFor(platform, type);
        if (!rule.isSupported) expect(rule.reason).toMatch(/^[A-Z].{15,}/);
      }
    expect(check({ ...onInstagram, type: 'TEXT_ONLY' })).toEqual([
      {
        code: 'post-type-unsupported',
        field: 'type',
        limit: null,
        actual: 'TEXT_ONLY',
        message: 'Instagram has no posts without a picture or video',
      },
    ]);
  });

  it('knows which kinds of account a platform has', () => {
    expect(isKindOf('linkedin', 'organization')).toBe(true);
    expect(check({ kind: 'business' })).toEqual([
      {
        code: 'account-kind-unsupported',
        field: 'kind',
        limit: 'organization, member',
        actual: 'business',
        message: 'linkedin accounts are of kind organization, member, not business',
      },
    ]);
  });
});

describe('text', () => {
  it('may be as long as the platform allows and not one more, an emoji counting two', () => {
    expect(check({ text: 'x'.repeat(3_000) })).toEqual([]);
    expect(check({ text: `${'x'.repeat(2_999)}😀` })).toEqual([
      {
        code: 'text-too-long',
        field: 'text',
        limit: 3_000,
        actual: 3_001,
        message: '3001 characters of text, at most 3000 allowed',
      },
    ]);
    const type = 'SINGLE_IMAGE';
    expect(codes({ ...onInstagram, type, text: 'x'.repeat(2_200) })).toEqual([]);
    expect(codes({ ...onInstagram, type, text: 'x'.repeat(2_201) })).toEqual(['text-too-long text']);
  });

  it('may be missing only beside a picture', () => {
    expect(codes({ text: ' \n' })).toEqual(['text-missing text']);
    expect(codes({ type: 'SINGLE_IMAGE', text: '', media: [jpeg()] })).toEqual([]);
  });

  it('carries 30 hashtags and 20 mentions on Instagram, any number on LinkedIn', () => {
    const many = (word: string, count: number) =>
      Array.from({ length: count }, (_, index) => `${word}${index}`).join(' ');
    const type = 'CAROUSEL';
    expect(codes({ ...onInstagram, type, text: `${many('#tag', 30)} ${many('@you', 20)}` })).toEqual([]);
    const tooMany = `${many('#tag', 31)} ${many('@you', 21)}`;
    expect(codes({ ...onInstagram, type, text: tooMany })).toEqual([
      'too-many-hashtags text',
      'too-many-mentions text',
    ]);
    expect(codes({ type, text: tooMany })).toEqual([]);
  });

  it('counts only what a platform would link', () => {
    expect(countHashtags('#one ＃zwei #3d #हिन्दी C# #1 a#b https://x.example/#top')).toBe(4);
    expect(countMentions('@one, (@two.three) me@mail.example @ alone')).toBe(2);
  });
});

describe('media', () => {
  it('is not judged before it is there, an empty list is', () => {
    expect(codes({ type: 'CAROUSEL', media: undefined })).toEqual([]);
    expect(codes({ type: 'CAROUSEL', media: [] })).toEqual(['too-few-media media']);
    expect(codes({ type: 'TEXT_ONLY', media: [jpeg()] })).toEqual(['too-many-media media']);
  });

  it.each([
    ['linkedin', 'SINGLE_IMAGE', 1, 1],
    ['linkedin', 'CAROUSEL', 2, 20],
    ['instagram', 'SINGLE_IMAGE', 1, 1],
    ['instagram', 'CAROUSEL', 2, 10],
  ] as const)('has its number on %s for %s: %i to %i', (platform, type, min, max) => {
    const kind = platform === 'linkedin' ? 'organization' : 'business';
    const of = (count: number) =>
      codes({ platform, kind, type, media: Array.from({ length: count }, () => jpeg()) });
    expect([of(min), of(max)]).toEqual([[], []]);
    expect(of(min - 1)).toEqual(['too-few-media media']);
    expect(of(max + 1)).toEqual(['too-many-media media']);
  });

  it('must be JPEG on Instagram; LinkedIn takes PNG and GIF too, neither takes WebP', () => {
    const png = { type: 'SINGLE_IMAGE', media: [jpeg({ contentType: 'image/png' })] } as const;
    expect(codes(png)).toEqual([]);
    expect(check({ ...onInstagram, ...png })).toEqual([
      {
        code: 'format-unsupported',
        field: 'media[0]',
        limit: 'image/jpeg',
        actual: 'image/png',
        message: 'image/png is not accepted, only image/jpeg',
      },
    ]);
    expect(codes({ type: 'SINGLE_IMAGE', media: [jpeg({ contentType: 'image/webp' })] })).toEqual([
      'format-unsupported media[0]',
    ]);
  });

  it('keeps to limits of bytes, pixels, frames and alternative text', () => {
    const type = 'SINGLE_IMAGE';
    const large = jpeg({
      sizeBytes: 8_000_001,
      width: 6_013,
      height: 6_013,
      frames: 251,
      altText: 'x'.repeat(4_087),
    });
    expect(codes({ type, media: [large] })).toEqual([
      'too-many-pixels media[0]',
      'too-many-frames media[0]',
      'alt-text-too-long media[0].altText',
    ]);
    expect(codes({ ...onInstagram, type, media: [large] })).toEqual([
      'file-too-large media[0]',
      'too-many-frames media[0]',
      'alt-text-too-long media[0].altText',
    ]);
  });

  it.each([
    [1080, 1350, true],
    [1200, 628, true],
    [1080, 1080, true],
    [1080, 1400, false],
    [1200, 600, false],
  ])('of %i x %i fits Instagram: %s', (width, height, fits) => {
    const found = codes({ ...onInstagram, type: 'SINGLE_IMAGE', media: [jpeg({ width, height })] });
    expect(found).toEqual(fits ? [] : ['aspect-ratio media[0]']);
  });

  it('has every violation listed, each with its place', () => {
    const media = [
      jpeg({ contentType: 'image/png', width: 100, height: 400 }),
      jpeg({ altText: 'x'.repeat(1_001) }),
    ];
    expect(codes({ ...onInstagram, type: 'CAROUSEL', text: 'x'.repeat(2_201), media })).toEqual([
      'text-too-long text',
      'format-unsupported media[0]',
      'aspect-ratio media[0]',
      'alt-text-too-long media[1].altText',
    ]);
  });
});

describe('the brief', () => {
  it('recommends only sizes that pass the rules', () => {
    for (const platform of platforms) {
      const rule = ruleFor(platform, 'SINGLE_IMAGE');
      const image = rule.isSupported && rule.media?.image;
      if (!image) continue;
      expect(briefFormats(platform, 'SINGLE_IMAGE')).not.toEqual([]);
      for (const { width, height, contentTypes } of briefFormats(platform, 'SINGLE_IMAGE')) {
        const media = [jpeg({ width, height, contentType: contentTypes[0]! })];
        const kind = platformRules[platform].kinds[0]!;
        const broken = codes({ platform, kind, type: 'SINGLE_IMAGE', media });
        expect(broken.filter((one) => one.includes('media'))).toEqual([]);
      }
    }
  });

  it('names the best size first, and nothing for types without pictures or support', () => {
    expect(briefFormats('instagram', 'CAROUSEL')[0]).toEqual({
      name: 'portrait',
      width: 1_080,
      height: 1_350,
      contentTypes: ['image/jpeg'],
      maxBytes: 8_000_000,
    });
    expect(briefFormats('linkedin', 'TEXT_ONLY')).toEqual([]);
    expect(briefFormats('instagram', 'TEXT_ONLY')).toEqual([]);
  });
});
