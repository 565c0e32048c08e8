import { type TextCounting, textCountings } from '../../domain/platforms/rules.ts';
import { countedUnits, countLinks, countText } from '../../domain/text-length.ts';

const family = '\u{1F468}\u200D\u{1F469}\u200D\u{1F467}\u200D\u{1F466}';
const flag = '\u{1F1EF}\u{1F1F5}';
const keycap = '1\uFE0F\u20E3';
const waving = '\u{1F44B}\u{1F3FD}';
const composed = 'caf\u00E9';
const decomposed = 'cafe\u0301';

/** Each text with what every platform counts. */
it.each<[string, string, Record<TextCounting, number>]>([
  ['nothing', '', { 'utf-16': 0, 'utf-8': 0, graphemes: 0, x: 0, threads: 0, mastodon: 0 }],
  [
    'plain words',
    'Hello, world!',
    { 'utf-16': 13, 'utf-8': 13, graphemes: 13, x: 13, threads: 13, mastodon: 13 },
  ],
  [
    'an accent in one character',
    composed,
    { 'utf-16': 4, 'utf-8': 5, graphemes: 4, x: 4, threads: 4, mastodon: 4 },
  ],
  // X composes it before it counts.
  [
    'an accent by itself',
    decomposed,
    { 'utf-16': 5, 'utf-8': 6, graphemes: 4, x: 4, threads: 5, mastodon: 4 },
  ],
  ['Japanese', '日本語', { 'utf-16': 3, 'utf-8': 9, graphemes: 3, x: 6, threads: 3, mastodon: 3 }],
  ['Korean', '한국어', { 'utf-16': 3, 'utf-8': 9, graphemes: 3, x: 6, threads: 3, mastodon: 3 }],
  // Letters and signs that belong together are one character to a reader.
  ['Hindi', 'नमस्ते', { 'utf-16': 6, 'utf-8': 18, graphemes: 3, x: 6, threads: 6, mastodon: 3 }],
  [
    'a rare Chinese character',
    '\u{20BB7}',
    { 'utf-16': 2, 'utf-8': 4, graphemes: 1, x: 2, threads: 1, mastodon: 1 },
  ],
  ['an emoji', '\u{1F47E}', { 'utf-16': 2, 'utf-8': 4, graphemes: 1, x: 2, threads: 4, mastodon: 1 }],
  [
    'an emoji with a skin colour',
    waving,
    { 'utf-16': 4, 'utf-8': 8, graphemes: 1, x: 2, threads: 8, mastodon: 1 },
  ],
  [
    'a family joined of four',
    family,
    { 'utf-16': 11, 'utf-8': 25, graphemes: 1, x: 2, threads: 25, mastodon: 1 },
  ],
  ['a flag', flag, { 'utf-16': 4, 'utf-8': 8, graphemes: 1, x: 2, threads: 8, mastodon: 1 }],
  ['a keycap', keycap, { 'utf-16': 3, 'utf-8': 7, graphemes: 1, x: 2, threads: 7, mastodon: 1 }],
  [
    'a digit, which could be one',
    '1',
    { 'utf-16': 1, 'utf-8': 1, graphemes: 1, x: 1, threads: 1, mastodon: 1 },
  ],
  ['a line break of two', 'a\r\nb', { 'utf-16': 4, 'utf-8': 4, graphemes: 3, x: 4, threads: 4, mastodon: 3 }],
])('counts %s', (_what, text, expected) => {
  const counted = Object.fromEntries(textCountings.map((counting) => [counting, countText(text, counting)]));
  expect(counted).toEqual(expected);
});

// https://docs.x.com/fundamentals/counting-characters (read 2026-11-21)
describe("X's weight", () => {
  it.each([
    ['Hello, world! \u{1F44B}', 16],
    ['\u{1F47E}', 2],
    ['\u{1F64B}\u{1F3FD}', 2],
    ['\u{1F468}\u200D\u{1F3A4}', 2],
    [family, 2],
    // Later than the library: a health worker, a heart on fire, a kiss in two colours, England, a keycap.
    ['\u{1F9D1}\u200D\u2695\uFE0F', 2],
    ['\u2764\uFE0F\u200D\u{1F525}', 2],
    ['\u{1F469}\u{1F3FD}\u200D\u2764\uFE0F\u200D\u{1F48B}\u200D\u{1F468}\u{1F3FF}', 2],
    ['\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}', 2],
    [keycap, 2],
    ['12\u00A9', 3],
    ['https://example.com', 23],
    ['https://example.com/very/long/path', 23],
    [composed, 4],
    [decomposed, 4],
  ])('of %s is %i, as published', (text, weight) => {
    expect(countText(text, 'x')).toBe(weight);
  });

  it('changes at the ends of the ranges that count one', () => {
    const weights = (...points: number[]) =>
      points.map((point) => countText(`a${String.fromCodePoint(point)}a`, 'x') - 2);
    expect(weights(0x10ff, 0x1100)).toEqual([1, 2]);
    expect(weights(0x1fff, 0x2000, 0x200d, 0x200e)).toEqual([2, 1, 1, 2]);
    expect(weights(0x200f, 0x2010, 0x201f, 0x2020)).toEqual([2, 1, 1, 2]);
    expect(weights(0x2031, 0x2032, 0x2037, 0x2038)).toEqual([2, 1, 1, 2]);
  });

  it('of an address is 23 with and without a scheme, alone and in a sentence, each time', () => {
    expect(countText('See example.com.', 'x')).toBe(4 + 23 + 1);
    expect(countText('(https://example.com/a?b=1#c)', 'x')).toBe(25);
    expect(countText('http://a.co http://a.co', 'x')).toBe(47);
    // A mail address is none, nor is a file's name.
    expect(countText('me@example.com', 'x')).toBe(14);
    expect(countText('notes.txt', 'x')).toBe(9);
  });

  it('fills a post with 280 letters or 140 characters of two', () => {
    for (const [one, count] of [
      ['x', 280],
      ['語', 140],
      [family, 140],
    ] as const)
      expect(countText(one.repeat(count), 'x')).toBe(280);
  });
});

describe("Mastodon's count", () => {
  it.each([
    ['https://example.com', 23],
    ['http://a.co', 23],
    [`https://example.com/${'long/'.repeat(30)}?a=b#c`, 23],
    ['See (https://example.com/a).', 5 + 23 + 2],
    ['https://a.co https://a.co', 47],
    // Without a scheme it is not linked there.
    ['example.com', 11],
    ['Hello @us@social.example!', 10],
    ['me@example.com', 14],
  ])('of %s is %i', (text, count) => {
    expect(countText(text, 'mastodon')).toBe(count);
  });
});

it('counts distinct links', () => {
  expect(countLinks('https://a.example.com https://a.example.com and b.example.com')).toBe(2);
  expect(countLinks('nothing here, me@example.com neither')).toBe(0);
});

it('has a word for each unit', () => {
  expect(Object.keys(countedUnits).toSorted()).toEqual([...textCountings].sort());
});
