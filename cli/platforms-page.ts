import { capabilitiesOf, definitions } from '../adapters/platforms/registry.ts';
import { ruleFor } from '../domain/platform-rules.ts';
import { platformRules } from '../domain/platforms/index.ts';
import type {
  Cap,
  FileRule,
  MediaRule,
  OptionRule,
  PostRule,
  Range,
  TextRule,
  VideoRule,
} from '../domain/platforms/rules.ts';
import { type Platform, platforms, postTypes, unreachable } from '../domain/post.ts';
import { countedUnits } from '../domain/text-length.ts';
import { hostSetting, versionSetting } from './config.ts';

type Supported = Extract<PostRule, { isSupported: true }>;

/** The page about the platforms, as Markdown: written from the rules that posts are checked against. */
export const renderPlatformsPage = (): string =>
  [
    '# Platforms',
    'Written by `npm run gatepost -- platforms --markdown docs/platforms.md` from the rules that every post is checked against; a test\n' +
      'fails until it is written anew. What is not in a table is refused when the post is created, with the reason given here.',
    '## What can go where',
    renderMatrix(),
    renderReasons(),
    ...platforms.map(renderPlatform),
  ].join('\n\n');

function renderMatrix(): string {
  const cell = (platform: Platform, type: (typeof postTypes)[number]) =>
    ruleFor(platform, type).isSupported ? 'yes' : '–';
  return table(
    ['platform', ...postTypes],
    platforms.map((platform) => [
      `[${platformRules[platform].name}](#${anchorOf(platform)})`,
      ...postTypes.map((type) => cell(platform, type)),
    ]),
  );
}

function renderReasons(): string {
  const reasons = platforms.flatMap((platform) =>
    postTypes.flatMap((type) => {
      const rule = ruleFor(platform, type);
      return rule.isSupported ? [] : [[platformRules[platform].name, `\`${type}\``, rule.reason]];
    }),
  );
  return table(['platform', 'type', 'why not'], reasons);
}

const anchorOf = (platform: Platform): string =>
  platformRules[platform].name
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');

function renderPlatform(platform: Platform): string {
  const { name, kinds, rates } = platformRules[platform];
  const supported = postTypes.flatMap((type) => {
    const rule = ruleFor(platform, type);
    return rule.isSupported ? [{ type, rule }] : [];
  });
  const rate = (one: typeof rates.profile) =>
    one ? `${one.perMinute} a minute, ${one.burst} at once` : 'no bound of ours';
  const parts = [
    `## ${name}`,
    renderSettings(platform),
    [
      `Name \`${platform}\`. Sent at most: for an application ${rate(rates.app)}; for a profile ${rate(rates.profile)}.`,
      ...rates.caps.map(describeCap),
    ].join('\n'),
    table(
      ['account', 'can be asked what became of a post', 'replies', 'taking down', 'changing the text'],
      kinds.map((kind) => {
        const { finds, replies, removes, amends } = capabilitiesOf(platform, kind);
        return [`\`${kind}\``, ...[finds, replies, removes, amends].map((can) => (can ? 'yes' : '–'))];
      }),
    ),
    table(
      ['type', 'text', 'title', 'media', 'below it'],
      supported.map(({ type, rule }) => [
        `\`${type}\``,
        describeText(rule.text),
        rule.title ? describeText(rule.title) : '–',
        rule.media ? describeMedia(rule.media) : '–',
        describeBelow(rule),
      ]),
    ),
  ];
  const options = renderOptions(supported);
  return [...parts, ...(options ? [options] : [])].join('\n\n');
}

function describeCap({ counts, max, window, types, includesParts, isReadLive }: Cap): string {
  const what = types ? types.map((type) => `\`${type}\``).join(', ') : 'posts';
  const below = includesParts ? ' and what follows them' : '';
  const length = 'hours' in window ? `${window.hours} hours` : `a day in ${window.dayIn}`;
  const whose = counts === 'app' ? 'an application' : 'a profile';
  const live = isReadLive ? ' (where the platform does not say itself)' : '';
  return `At most ${max} ${what}${below} in ${length} for ${whose}${live}.`;
}

/** Where a process reaches it for live tenants. */
function renderSettings(platform: Platform): string {
  const { live, versionPattern } = definitions[platform];
  return table(
    ['setting', 'default'],
    [
      ...Object.entries(live.hosts).map(([name, url]) => [
        `\`${hostSetting(platform, name)}\``,
        `\`${url}\``,
      ]),
      ...(versionPattern ? [[`\`${versionSetting(platform)}\``, `\`${live.version}\``]] : []),
    ],
  );
}

function describeText(rule: TextRule): string {
  const { maxLength, counting, isRequired, maxHashtags, maxMentions, maxLinks, forbidden } = rule;
  return [
    `${isRequired ? '1' : '0'}–${maxLength} ${countedUnits[counting]}`,
    ...(maxHashtags === null ? [] : [`${maxHashtags} hashtags`]),
    ...(maxMentions === null ? [] : [`${maxMentions} mentions`]),
    ...(maxLinks === undefined ? [] : [`${maxLinks} links`]),
    ...(forbidden ? [`without ${[...forbidden].map((one) => `\`${one}\``).join(' ')}`] : []),
  ].join(', ');
}

function describeMedia(rule: MediaRule): string {
  const count = rule.minCount === rule.maxCount ? `${rule.minCount}` : `${rule.minCount}–${rule.maxCount}`;
  return [
    `${count} ${rule.maxCount === 1 ? 'piece' : 'pieces'}${rule.isUniform ? ' of one size' : ''}`,
    ...(rule.image ? [`pictures: ${describeFile(rule.image)}`] : []),
    ...(rule.video ? [`video: ${describeVideo(rule.video)}`] : []),
    ...(rule.cover
      ? [`cover ${rule.cover.isRequired ? 'needed' : 'possible'}: ${describeFile(rule.cover.image)}`]
      : []),
    ...(rule.maxAltText > 0 ? [`alternative text up to ${rule.maxAltText}`] : []),
  ].join('; ');
}

const describeFile = (rule: FileRule): string =>
  [
    rule.contentTypes.map((type) => type.replace(/^\w+\//, '')).join('/'),
    ...(rule.maxBytes === null ? [] : [`${(rule.maxBytes / 1_000_000).toLocaleString('en')} MB`]),
    ...(rule.aspectRatio
      ? [`${ratio(rule.aspectRatio.min)}–${ratio(rule.aspectRatio.max)} wide to high`]
      : []),
    ...(rule.width ? [`width ${pixels(rule.width)}`] : []),
    ...(rule.height ? [`height ${pixels(rule.height)}`] : []),
  ].join(', ');

const ratio = (value: number): string => Number(value.toFixed(3)).toString();
const pixels = ({ min, max }: Partial<Range>): string => `${min ?? 1}–${max ?? 'any'} px`;

const describeVideo = (rule: VideoRule): string =>
  [
    describeFile(rule),
    `${rule.durationSeconds.min}–${rule.durationSeconds.max} s`,
    ...(rule.frameRate ? [`${rule.frameRate.min}–${rule.frameRate.max} pictures/s`] : []),
    ...(rule.videoCodecs ? [rule.videoCodecs.join('/')] : []),
    ...(rule.audioCodecs ? [rule.audioCodecs.join('/')] : []),
  ].join(', ');

function describeBelow({ firstComment, thread }: Supported): string {
  const parts = [
    ...(thread ? [`thread of ${thread.maxParts} further parts, each ${describeText(thread.text)}`] : []),
    ...(firstComment ? [`first comment, ${describeText(firstComment)}`] : []),
  ];
  return parts.join('; ') || '–';
}

/** An option that several types have stands once. */
function renderOptions(supported: readonly { type: string; rule: Supported }[]): string | null {
  const found = new Map<string, { name: string; rule: OptionRule; types: string[] }>();
  for (const { type, rule } of supported)
    for (const [name, option] of Object.entries(rule.options ?? {})) {
      const key = `${name} ${JSON.stringify(option)}`;
      const known = found.get(key) ?? { name, rule: option, types: [] };
      known.types.push(type);
      found.set(key, known);
    }
  if (found.size === 0) return null;
  return table(
    ['option', 'types', 'value', 'what it does'],
    [...found.values()].map(({ name, rule, types }) => [
      `\`${name}\`${rule.isRequired ? ' (needed)' : ''}`,
      types.length === supported.length ? 'all' : types.map((type) => `\`${type}\``).join(' '),
      describeValue(rule),
      rule.description,
    ]),
  );
}

function describeValue(rule: OptionRule): string {
  switch (rule.kind) {
    case 'flag':
      return 'true or false';
    case 'choice':
      return rule.values.map((value) => `\`${value}\``).join(' ');
    case 'whole-number':
      return `${rule.min}–${rule.max}`;
    case 'text':
      return `text, 1–${rule.maxLength}${rule.pattern ? `, matching \`${rule.pattern}\`` : ''}`;
    case 'texts':
      return `up to ${rule.maxCount} texts of 1–${rule.maxLength}`;
    case 'web-address':
      return `web address, up to ${rule.maxLength}`;
    default:
      return unreachable(rule, 'kind of option');
  }
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
