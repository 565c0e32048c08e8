import twitter from 'twitter-text';
import type { TextCounting } from './platforms/rules.ts';
import { unreachable } from './post.ts';

/** The length of a text as a platform counts it. */
export function countText(text: string, counting: TextCounting): number {
  switch (counting) {
    case 'utf-16':
      return text.length;
    case 'utf-8':
      return utf8Length(text);
    case 'graphemes':
      return graphemesOf(text).length;
    case 'x':
      return twitter.parseTweet(text.replace(emojiSequence, '\u{1F600}')).weightedLength;
    case 'threads':
      return graphemesOf(text).reduce(
        (sum, one) => sum + (isEmoji(one) ? utf8Length(one) : [...one].length),
        0,
      );
    case 'mastodon':
      return graphemesOf(text.replace(address, 'x'.repeat(23)).replace(nameElsewhere, '$1')).length;
    default:
      return unreachable(counting, 'way of counting');
  }
}

/** The unit in words, for a message: "281 weighted characters". */
export const countedUnits: Readonly<Record<TextCounting, string>> = {
  'utf-16': 'characters',
  'utf-8': 'bytes',
  graphemes: 'characters',
  x: 'weighted characters',
  threads: 'characters (emoji by their bytes)',
  mastodon: 'characters (each address 23)',
};

/** X counts each as one emoji. Its library is older than many of them and takes those to pieces. */
// By a name: the compiler knows the flag `v` only for targets later than ours.
const emojiProperty = '\\p{RGI_Emoji}';
const emojiSequence = new RegExp(emojiProperty, 'gv');

/** With its scheme, and without what closes the sentence around it. */
const address = /\bhttps?:\/\/\S+?(?=[.,:;!?)\]'"]*(?:\s|$))/giu;
const nameElsewhere = /(?<![\w/])(@\w+)@[\w.-]+\w/gu;

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
const graphemesOf = (text: string): string[] => Array.from(segmenter.segment(text), ({ segment }) => segment);
const utf8Length = (text: string): number => new TextEncoder().encode(text).length;

/** Shown as an emoji by itself, or asked to be: a digit or © is one only with its variation selector. */
const isEmoji = (grapheme: string): boolean => /\p{Emoji_Presentation}|\p{Emoji}\uFE0F/u.test(grapheme);

/** Counts distinct web addresses. */
export function countLinks(text: string): number {
  return new Set(twitter.extractUrls(text)).size;
}

/** Counts `#words` the platforms would link: at least one letter, not in the middle of a word or an address. */
export function countHashtags(text: string): number {
  return text.match(/(?<![\p{L}\p{M}\p{N}_&/])[#＃](?=[\p{N}_]*\p{L})[\p{L}\p{M}\p{N}_]+/gu)?.length ?? 0;
}

/** Counts `@names`; the second half of a mail address is none. */
export function countMentions(text: string): number {
  return text.match(/(?<![\w.@/])@[\w][\w.]*/g)?.length ?? 0;
}
