import { type PostType, postTypes } from '../../domain/post.ts';
import { hashOf, hashRevision, mediaShown, type RevisionContent } from '../../domain/revision.ts';
import { deepFreeze } from './builders.ts';

const media = (letter: string, altText: string | null = null) => ({
  mediaId: `media-${letter}`,
  sha256: letter.repeat(64),
  altText,
});
const base: RevisionContent = deepFreeze({
  type: 'CAROUSEL',
  copy: 'Spring is here — Frühling! 🌱',
  media: [media('a', 'A tulip'), media('b')],
  targets: [
    { targetId: 'target-1', profileId: 'profile-1', copy: null },
    { targetId: 'target-2', profileId: 'profile-2', copy: 'For Instagram' },
  ],
});
const [first, second] = base.targets as [RevisionContent['targets'][0], RevisionContent['targets'][0]];
const [tulip, rose] = base.media as [RevisionContent['media'][0], RevisionContent['media'][0]];

/** Which of the three hashes differ from those of the base. */
function moved(fields: Partial<RevisionContent>): string {
  const before = hashRevision(base);
  const hashes = hashRevision(deepFreeze({ ...base, ...fields }));
  const names = ['content', 'design', 'publish'] as const;
  return names.filter((name) => hashes[`${name}Hash`] !== before[`${name}Hash`]).join(' ');
}

describe('the hashes of a revision', () => {
  it.each<[string, Partial<RevisionContent>, string]>([
    ['nothing', {}, ''],
    ['the base copy', { copy: 'Autumn is here' }, 'content publish'],
    ['a space at the end of the copy', { copy: `${base.copy} ` }, 'content publish'],
    ['the form of an umlaut', { copy: base.copy.normalize('NFD') }, 'content publish'],
    ['the copy of one target', { targets: [first, { ...second, copy: 'Other' }] }, 'content publish'],
    [
      'a copy of its own that is taken away',
      { targets: [first, { ...second, copy: null }] },
      'content publish',
    ],
    ['a copy of its own that is empty', { targets: [{ ...first, copy: '' }, second] }, 'content publish'],
    [
      'two copies changing places',
      {
        targets: [
          { ...first, copy: 'For Instagram' },
          { ...second, copy: null },
        ],
      },
      'content publish',
    ],
    ['an alternative text', { media: [media('a', 'A rose'), rose] }, 'design publish'],
    ['an alternative text that is empty, not missing', { media: [tulip, media('b', '')] }, 'design publish'],
    ['the bytes of a picture', { media: [tulip, media('c')] }, 'design publish'],
    ['the order of the pictures', { media: [rose, tulip] }, 'design publish'],
    ['a picture more', { media: [tulip, rose, media('c')] }, 'design publish'],
    ['a picture less', { media: [tulip] }, 'design publish'],
    ['the type', { type: 'VIDEO' }, 'design publish'],
    ['the profile of a target', { targets: [first, { ...second, profileId: 'profile-3' }] }, 'publish'],
    [
      'two profiles changing places',
      {
        targets: [
          { ...first, profileId: 'profile-2' },
          { ...second, profileId: 'profile-1' },
        ],
      },
      'publish',
    ],
    ['a target more', { targets: [first, second, { ...first, targetId: 'target-3' }] }, 'content publish'],
    ['a target less', { targets: [first] }, 'content publish'],
    ['copy and pictures', { copy: 'New', media: [rose] }, 'content design publish'],
    ['a type of its own', { targets: [first, { ...second, type: 'SINGLE_IMAGE' }] }, 'design publish'],
    ['the order of the targets', { targets: [second, first] }, ''],
    ['the row of the same bytes', { media: [{ ...tulip, mediaId: 'media-z' }, rose] }, ''],
  ])('after a change of %s: %3$s', (_what, fields, expected) => {
    expect(moved(fields)).toBe(expected);
  });

  it('do not depend on the order of keys, nor on fields that say nothing about the content', () => {
    const shuffled = {
      targets: base.targets.map(({ targetId, profileId, copy }) => ({
        copy,
        note: 'x',
        targetId,
        profileId,
      })),
      media: base.media.map(({ mediaId, sha256, altText }) => ({ altText, width: 1080, sha256, mediaId })),
      number: 7,
      copy: base.copy,
      type: base.type,
    };
    expect(hashRevision(shuffled)).toEqual(hashRevision(base));
  });

  it('are these, for ever: approvals and running posts carry them', () => {
    // Computed apart from this code: SHA-256 over JSON with sorted keys and no spaces.
    expect(hashRevision(base)).toEqual({
      contentHash: 'c3c18ed98619dc55fb25c35bf4ff5df740528dc832b54ec8b0a1fd736d800ec9',
      designHash: '4064590e1f32b63a6ff24e7eb16bf993613af5dca6c89f3f0a3c6b12f29b0957',
      publishHash: 'd14f15cf61fd77a1a65a23b29035897e70b577b65a9010d939340418d6e3d306',
    });
    const text: RevisionContent = { type: 'TEXT_ONLY', copy: '', media: [], targets: [] };
    expect(hashRevision(text)).toEqual({
      contentHash: '623a5388fac8086691c00461fd18c839df09978d0e6fb2eef7a232e55a2709de',
      designHash: '62039d225159a514fa04574b7eb0bbdea1fd7d69599cb2b5afbae0d88a0d3b40',
      publishHash: '08b70f34049761f477e2b7cddf588fc2666449fff75a649f79708e0dd040e093',
    });
  });

  it('are three different ones, also of nothing', () => {
    const { contentHash, designHash, publishHash } = hashRevision({
      ...base,
      copy: '',
      media: [],
      targets: [],
    });
    expect(new Set([contentHash, designHash, publishHash]).size).toBe(3);
  });
});

describe('the hash of a value', () => {
  it('is SHA-256, in hex, of its canonical JSON', () => {
    // By `printf '{"a":[1,"é"],"b":null}' | sha256sum`.
    expect(hashOf({ b: null, a: [1, 'é'] })).toBe(
      '1e02bc81a26af2f027329541e97eef36f3290bedc6dfe043dbe66b057ecb13ba',
    );
    expect(hashOf({ a: [1, 'é'], b: null })).toBe(hashOf({ b: null, a: [1, 'é'] }));
    expect(hashOf([1, 2])).not.toBe(hashOf([2, 1]));
  });

  it('is refused to what is no plain value', () => {
    expect(() => hashOf(undefined)).toThrow('Only plain JSON values can be hashed');
    expect(() => hashOf(() => 1)).toThrow('Only plain JSON values can be hashed');
  });
});

it('a type of its own belongs to its target, whatever the order of the targets', () => {
  const hashesOf = (...targets: RevisionContent['targets'][0][]) => hashRevision({ ...base, targets });
  const [single, text] = ['SINGLE_IMAGE', 'TEXT_ONLY'] as const;
  const one = hashesOf({ ...first, type: single }, { ...second, type: text });
  expect(hashesOf({ ...second, type: text }, { ...first, type: single })).toEqual(one);
  const other = hashesOf({ ...first, type: text }, { ...second, type: single });
  expect(other.designHash).not.toBe(one.designHash);
  expect(other.contentHash).toBe(one.contentHash);
});

it('shows all pictures in a carousel, the first in every other visual type, none in a text', () => {
  const shown = (type: PostType, ...media: string[]) => mediaShown(type, media).join('');
  expect(postTypes.map((type) => [type, shown(type, 'a', 'b', 'c'), shown(type, 'a'), shown(type)])).toEqual([
    ['TEXT_ONLY', '', '', ''],
    ['SINGLE_IMAGE', 'a', 'a', ''],
    ['CAROUSEL', 'abc', 'a', ''],
    ['VIDEO', 'a', 'a', ''],
    ['STORY', 'a', 'a', ''],
    ['REEL', 'a', 'a', ''],
  ]);
});
