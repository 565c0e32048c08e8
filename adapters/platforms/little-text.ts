/** LinkedIn's markup of texts: what has a meaning in it is escaped. */

const hashtag = /(?<![\p{L}\p{M}\p{N}_&/#])#(?=[\p{N}_]*\p{L})[\p{L}\p{M}\p{N}_]+/gu;
const reserved = /[\\|{}@[\]()<>#*_~]/g;

/**
 * Writes plain text as LinkedIn's "little text": every reserved character gets a backslash, except the `#` that begins
 * a hashtag. An unescaped one can cut the text off.
 */
// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/little-text-format (read 2026-11-21)
export function escapeLittleText(text: string): string {
  let escaped = '';
  let end = 0;
  for (const match of text.matchAll(hashtag)) {
    escaped += text.slice(end, match.index).replace(reserved, '\\$&');
    escaped += `#${match[0].slice(1).replace(reserved, '\\$&')}`;
    end = match.index + match[0].length;
  }
  return escaped + text.slice(end).replace(reserved, '\\$&');
}

/** Reads little text back as the plain text a person wrote; hashtag templates become `#word`, mentions their name. */
export function unescapeLittleText(commentary: string): string {
  return commentary
    .replace(/\{hashtag\|\\?([#＃])\|([^}]*)\}/g, '$1$2')
    .replace(/(?<!\\)@\[((?:\\.|[^\]\\])*)\]\s?\(urn:li:[^)]*\)/g, '$1')
    .replace(/\\([\\|{}@[\]()<>#*_~])/g, '$1');
}
