/** Characters with a meaning in little text; anywhere else they are to be escaped with a backslash. */
const reserved = new Set('|{}@[]()<>#\\*_~');

/** A stretch of little text that has a meaning of its own, and what a reader sees of it. */
const elements: { pattern: RegExp; shown: (match: RegExpExecArray) => string }[] = [
  { pattern: /^\{hashtag\|\\?#\|((?:\\.|[^\\|{}])+)\}/u, shown: (match) => `#${withoutEscapes(match[1]!)}` },
  { pattern: /^#[\p{L}\p{N}\p{M}_]+/u, shown: (match) => match[0] },
  {
    pattern: /^@\[((?:\\.|[^\\\]])+)\]\(urn:li:[A-Za-z]+:[A-Za-z0-9_-]+\)/u,
    shown: (match) => withoutEscapes(match[1]!),
  },
];

/**
 * Reads LinkedIn's little text. Returns what a reader sees, or the first reserved character that is neither escaped nor
 * part of a hashtag or a mention: the platform may cut or reject such text, the sandbox rejects it.
 * https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/little-text-format
 */
export function readLittleText(raw: string): { text: string } | { unescaped: string; at: number } {
  let text = '';
  let at = 0;
  while (at < raw.length) {
    const rest = raw.slice(at);
    const character = raw[at]!;
    if (!reserved.has(character)) {
      text += character;
      at += 1;
      continue;
    }
    if (character === '\\' && reserved.has(raw[at + 1] ?? '')) {
      text += raw[at + 1];
      at += 2;
      continue;
    }
    const element = readElement(rest);
    if (!element) return { unescaped: character, at };
    text += element.shown;
    at += element.length;
  }
  return { text };
}

function readElement(rest: string): { shown: string; length: number } | undefined {
  for (const { pattern, shown } of elements) {
    const match = pattern.exec(rest);
    if (match) return { shown: shown(match), length: match[0].length };
  }
  return undefined;
}

function withoutEscapes(text: string): string {
  return text.replace(/\\(.)/gu, '$1');
}
