import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { CampaignError } from '../../../cli/campaign/campaign.ts';
import { readCampaign } from '../../../cli/campaign/read-campaign.ts';

const now = new Date('2026-12-01T10:00:00Z');
const example = fileURLToPath(new URL('../../../examples/campaign/campaign.yaml', import.meta.url));

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatepost-campaign-'));
  await mkdir(join(folder, 'media'));
  const picture = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: '#246' } });
  await writeFile(join(folder, 'brand.md'), '# Brand\n');
  await writeFile(join(folder, 'latin1.md'), Buffer.from([0x63, 0x61, 0x66, 0xe9]));
  await writeFile(join(folder, 'media/square.jpg'), await picture(80, 80).jpeg().toBuffer());
  await writeFile(join(folder, 'media/other.jpg'), await picture(90, 90).jpeg().toBuffer());
  await writeFile(join(folder, 'media/tall.jpg'), await picture(50, 200).jpeg().toBuffer());
  await writeFile(join(folder, 'media/square.png'), await picture(80, 80).png().toBuffer());
  await writeFile(join(folder, 'media/really-a-png.jpg'), await picture(80, 80).png().toBuffer());
  await writeFile(join(folder, 'media/text.jpg'), 'not a picture');
  const noisy = sharp({
    create: {
      width: 80,
      height: 80,
      channels: 3,
      background: '#246',
      noise: { type: 'gaussian', sigma: 40 },
    },
  });
  await writeFile(join(folder, 'media/cut.jpg'), (await noisy.jpeg().toBuffer()).subarray(0, 900));
  await writeFile(join(folder, 'media/huge.mp4'), '');
  await truncate(join(folder, 'media/huge.mp4'), 100_000_001);
  await symlink(fileURLToPath(import.meta.url), join(folder, 'media/link.jpg'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const sound = `name: Test
timeZone: Europe/Berlin
brand: ./brand.md
profiles:
  page: { platform: linkedin, accountKind: organization, externalId: "urn:li:organization:1", name: Page }
  shop: { platform: instagram, accountKind: business, externalId: "17", name: shop }
members:
  author: { name: Ada, role: content_manager }
  reviewer: { name: Bob, role: content_manager }
  designer: { name: Cleo, role: graphic_designer }
posts:
  - key: words
    type: TEXT_ONLY
    copy: Hello
    targets: [page]
    dueInSeconds: 12
    author: author
    script:
      - submit: { by: author }
      - approve: { gate: content, by: reviewer }
      - approve: { gate: publish, by: reviewer }
  - key: pictures
    type: CAROUSEL
    copy: Hello
    media:
      - { file: media/square.jpg, altText: One }
      - { file: media/other.jpg, altText: Two }
    targets: [shop]
    dueInSeconds: 15
    author: author
    script:
      - submit: { by: author }
`;

let written = 0;

async function write(text: string | Uint8Array): Promise<string> {
  written += 1;
  const file = join(folder, `campaign-${written}.yaml`);
  await writeFile(file, text);
  return file;
}

async function errorOf(file: string): Promise<CampaignError> {
  const error = await readCampaign(file, { now }).then(
    () => new Error('The campaign was accepted'),
    (reason: unknown) => reason,
  );
  if (error instanceof CampaignError) return error;
  throw error;
}

/** Each problem as `line: reason`. */
async function problemsOf(text: string | Uint8Array): Promise<string[]> {
  const { problems } = await errorOf(await write(text));
  return problems.map(({ line, reason }) => `${line}: ${reason}`);
}

/** The sound campaign with one piece replaced; the piece must be there. */
function changed(from: string, to: string): string {
  if (!sound.includes(from)) throw new Error(`The sound campaign has no ${from}`);
  return sound.replace(from, to);
}

describe('reading a campaign', () => {
  it('gives a sound one with its files, its defaults, and what becomes of each post', async () => {
    const campaign = await readCampaign(await write(sound), { now });
    expect(campaign).toMatchObject({
      name: 'Test',
      timeZone: 'Europe/Berlin',
      brand: { text: '# Brand\n' },
      policy: {},
    });
    expect(campaign.profiles.map(({ key }) => key)).toEqual(['page', 'shop']);
    expect(campaign.members.map(({ key, role }) => `${key} ${role}`)).toEqual([
      'author content_manager',
      'reviewer content_manager',
      'designer graphic_designer',
    ]);
    expect(campaign.posts[0]).toMatchObject({
      due: { kind: 'in', seconds: 12 },
      goesOut: true,
      media: [],
      targets: [{ profile: 'page', copy: null }],
    });
    expect(campaign.posts[0]!.script[1]).toEqual({ action: 'approve', gate: 'content', by: 'reviewer' });
    expect(campaign.posts[1]).toMatchObject({
      goesOut: false,
      media: [
        { file: 'media/square.jpg', contentType: 'image/jpeg', width: 80, altText: 'One' },
        { file: 'media/other.jpg', width: 90, altText: 'Two' },
      ],
    });
  });

  it('finds nothing wrong with the example, whose posts all go out', async () => {
    const { posts } = await readCampaign(example, { now });
    expect(posts.map(({ key, type, goesOut }) => [key, type, goesOut])).toEqual([
      ['open-roastery', 'TEXT_ONLY', true],
      ['slower-morning', 'CAROUSEL', true],
      ['roasted-tuesday', 'SINGLE_IMAGE', true],
      ['four-seconds', 'REEL', true],
    ]);
    expect(posts[1]!.script.map(({ action }) => action)).toEqual([
      'submit',
      'reject',
      'edit',
      'approve',
      'deliver',
      'approve',
      'approve',
    ]);
  });

  it('takes an instant as the due time', async () => {
    const text = changed('dueInSeconds: 12', 'dueAt: 2026-12-01T11:00:01+01:00');
    const { posts } = await readCampaign(await write(text), { now });
    expect(posts[0]!.due).toEqual({ kind: 'at', instant: new Date('2026-12-01T10:00:01Z') });
  });

  it('lets a few values be written once and used again', async () => {
    const text = sound
      .replace('copy: Hello', 'copy: &copy Hello')
      .replace('CAROUSEL\n    copy: Hello', 'CAROUSEL\n    copy: *copy');
    const { posts } = await readCampaign(await write(text), { now });
    expect(posts.map(({ copy }) => copy)).toEqual(['Hello', 'Hello']);
  });

  it('names file, line and column, all problems at once and in the order of the file', async () => {
    const text = sound
      .replace('Europe/Berlin', 'Europe/Atlantis')
      .replace('targets: [page]', 'targets: [pgae]')
      .replace('media/other.jpg', 'media/none.jpg');
    const file = await write(text);
    const error = await errorOf(file);
    expect(error.message.split('\n')).toEqual([
      `${file}:2:11: timeZone must be an IANA time zone, e.g. Europe/Berlin`,
      `${file}:15:15: there is no profile pgae`,
      `${file}:27:17: media/none.jpg: there is no such file`,
    ]);
    expect(error.problems[1]).toEqual({ file, line: 15, column: 15, reason: 'there is no profile pgae' });
  });
});

describe('a campaign file that is none', () => {
  it('is reported when it is missing, a folder, too large or not UTF-8', async () => {
    const none = join(folder, 'none.yaml');
    expect((await errorOf(none)).message).toBe(`${none}:1:1: there is no such file`);
    expect((await errorOf(folder)).problems[0]!.reason).toBe('is not a file');
    expect(await problemsOf(`# ${'x'.repeat(262_143)}`)).toEqual([
      '1: has 262145 bytes, at most 262144 are read',
    ]);
    expect(await problemsOf(Buffer.from([0x6e, 0x3a, 0x20, 0xff]))).toEqual(['1: is not UTF-8 text']);
  });

  it.each([
    ['nothing', '', 1, /must be a map with name, timeZone/],
    ['a list', '- a\n', 1, /must be a map with name, timeZone/],
    ['an open quote', 'name: "Test\ntimeZone: UTC\n', 3, /Missing closing "quote/],
    ['an indentation with tabs', 'name: Test\nmembers:\n\tauthor: x\n', 3, /[Tt]abs/],
    ['a field given twice', 'name: Test\nname: Again\n', 2, /Map keys must be unique/],
    ['two documents', 'name: Test\n---\nname: Again\n', 2, /multiple documents/],
    ['a tag', 'name: !!js/function "x"\n', 1, /Unresolved tag/],
    ['an alias of nothing', 'name: Test\nbrand: *brand\n', 2, /\*brand refers to no anchor/],
    ['a key that is no text', 'name: Test\n[1, 2]: x\n', 2, /keys must be strings/],
  ])('is reported for %s', async (_, text, line, reason) => {
    const { problems } = await errorOf(await write(text));
    expect(problems[0]).toMatchObject({ line, reason: expect.stringMatching(reason) });
  });

  it('does not blow up on aliases of aliases', async () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) => `l${level + 1}: &l${level + 1} [${Array(9).fill(`*l${level}`).join(', ')}]`,
    );
    const text = ['l0: &l0 [x, x, x]', ...levels, ''].join('\n');
    expect(await problemsOf(text)).toEqual(['2: aliases stand for more than 100 values']);
  });

  it('does not fall over deep nesting', async () => {
    expect(await problemsOf(`name: ${'['.repeat(100_000)}`)).toEqual(['1: is nested too deeply']);
  });
});

describe('fields that are wrong', () => {
  it.each([
    ['an unknown one', 'name: Test', 'name: Test\nnmae: Typo', '2: there is no field nmae; there are name, '],
    ['a missing one', 'name: Test\n', '', '1: name is missing'],
    ['another type', 'name: Test', 'name: [Test]', '1: name must be text'],
    [
      'a number where text goes',
      'externalId: "17"',
      'externalId: 17',
      '6: externalId must be text; put it in quotes',
    ],
    ['an offset as a zone', 'Europe/Berlin', '"+01:00"', '2: timeZone must be an IANA time zone'],
    [
      'an unknown platform',
      'platform: instagram',
      'platform: myspace',
      '6: platform must be one of facebook, instagram, linkedin, mastodon',
    ],
    [
      'a kind of another platform',
      'accountKind: business',
      'accountKind: member',
      '6: instagram has no accounts of kind member',
    ],
    [
      'an id of another form',
      'urn:li:organization:1',
      'company-1',
      '5: must look like urn:li:organization:2414183',
    ],
    ['an unknown role', 'graphic_designer', 'painter', '10: role must be one of tenant_admin, '],
    ['a role above tenants', 'graphic_designer', 'super_admin', '10: role must be one of tenant_admin, '],
    [
      'a key in capitals',
      'reviewer: { name',
      'Reviewer: { name',
      '9: Reviewer: must begin with a lower-case letter',
    ],
    ['profiles as a list', 'brand: ./brand.md', 'policy: []', '3: policy must be a map of fields'],
    ['an unknown type of post', 'TEXT_ONLY', 'POEM', '13: type must be one of TEXT_ONLY, '],
    [
      'a due time in words',
      'dueInSeconds: 12',
      'dueInSeconds: soon',
      '16: dueInSeconds must be a whole number of seconds',
    ],
    ['half a second', 'dueInSeconds: 12', 'dueInSeconds: 1.5', '16: dueInSeconds must be a whole number'],
    ['no seconds', 'dueInSeconds: 12', 'dueInSeconds: 0', '16: dueInSeconds must be at least 1'],
    [
      'an instant without offset',
      'dueInSeconds: 12',
      'dueAt: 2027-01-01T09:00:00',
      '16: dueAt must be an instant with an offset',
    ],
    [
      'an instant in the past',
      'dueInSeconds: 12',
      'dueAt: 2026-12-01T09:59:59Z',
      '16: 2026-12-01T09:59:59Z is in the past',
    ],
    [
      'two due times',
      'dueInSeconds: 12',
      'dueInSeconds: 12\n    dueAt: 2027-01-01T09:00:00Z',
      '12: must have either dueInSeconds or dueAt',
    ],
    ['no due time', '    dueInSeconds: 12\n', '', '12: must have either dueInSeconds or dueAt'],
    ['no targets', 'targets: [page]', 'targets: []', '15: targets must have at least one entry'],
    [
      'a target that is no key',
      'targets: [page]',
      'targets: [{ name: page }]',
      '15: there is no field name; there are profile, copy, type, title, ',
    ],
    [
      'an unknown field of a post',
      'copy: Hello',
      'text: Hello',
      '14: there is no field text; there are key, type, copy',
    ],
    [
      'a policy of no gate',
      'brand: ./brand.md',
      'policy: { legal: {} }',
      '3: there is no field legal; there are content, design, publish',
    ],
    [
      'an unknown field of a gate',
      'brand: ./brand.md',
      'policy: { content: { quota: 2 } }',
      '3: there is no field quota',
    ],
    [
      'a quorum of none',
      'brand: ./brand.md',
      'policy: { content: { quorum: 0 } }',
      '3: quorum must be at least 1',
    ],
    [
      'deciders that are nobody',
      'brand: ./brand.md',
      'policy: { content: { deciders: {} } }',
      '3: deciders must name a role or a member',
    ],
  ])('are reported at their line: %s', async (_, from, to, problem) => {
    expect(await problemsOf(changed(from, to))).toContainEqual(expect.stringContaining(problem));
  });

  it('do not hide each other in one post', async () => {
    const text = sound.replace('TEXT_ONLY', 'POEM').replace('[page]', '[pgae]').replace('12', '-1');
    expect(await problemsOf(text)).toEqual([
      '13: type must be one of TEXT_ONLY, SINGLE_IMAGE, CAROUSEL, VIDEO, STORY, REEL',
      '15: there is no profile pgae',
      '16: dueInSeconds must be at least 1',
    ]);
  });
});

describe('keys that lead nowhere or twice to the same', () => {
  it.each([
    ['an unknown author', 'author: author', 'author: nobody', '17: there is no member nobody'],
    ['an unknown member in a script', 'by: reviewer', 'by: nobody', '20: there is no member nobody'],
    [
      'an unknown member in the policy',
      'brand: ./brand.md',
      'policy: { publish: { deciders: { roles: [content_manager], members: [boss] } } }',
      '3: there is no member boss',
    ],
    [
      'a profile named twice',
      'targets: [page]',
      'targets: [page, { profile: page }]',
      '15: page is a target already',
    ],
    ['two posts of one key', 'key: pictures', 'key: words', '22: there is a post words already'],
    [
      'two profiles of one account',
      '  shop:',
      '  twin: { platform: linkedin, accountKind: organization, externalId: "urn:li:organization:1", name: T }\n  shop:',
      '6: is the account of profile page',
    ],
  ])('are reported at their line: %s', async (_, from, to, problem) => {
    expect(await problemsOf(changed(from, to))).toEqual([problem]);
  });
});

describe('files that are not what they should be', () => {
  it.each([
    ['a missing one', 'media/none.jpg', 'media/none.jpg: there is no such file'],
    [
      'another kind of picture',
      'media/really-a-png.jpg',
      'media/really-a-png.jpg: is image/png, its name says image/jpeg',
    ],
    [
      'no picture',
      'media/text.jpg',
      'media/text.jpg: The bytes are no JPEG, PNG, GIF, WebP, MP4 or QuickTime video',
    ],
    ['a picture cut off', 'media/cut.jpg', 'media/cut.jpg: The picture cannot be decoded'],
    ['an unknown ending', 'brand.md', 'brand.md: must end in .jpg, .jpeg, .png, .gif, .webp, .mp4'],
    [
      'one too large to read',
      'media/huge.mp4',
      'media/huge.mp4: has 100000001 bytes, at most 100000000 are read',
    ],
    ['a folder', '../media.jpg/..', '../media.jpg/..: must end in'],
    ['a path above the campaign', '../../etc/picture.jpg', '../../etc/picture.jpg: there is no such file'],
    [
      'an absolute path',
      '/etc/picture.jpg',
      '/etc/picture.jpg: must be a path relative to the campaign file',
    ],
    ['a link out of the folder', 'media/link.jpg', "media/link.jpg: lies outside the campaign's folder"],
  ])('are reported at their line: %s', async (_, file, reason) => {
    const [problem, ...others] = await problemsOf(changed('file: media/other.jpg', `file: ${file}`));
    expect(problem).toMatch(/^27: /);
    expect(problem).toContain(reason);
    expect(others).toEqual([]);
  });

  it('are reported for the brand', async () => {
    expect(await problemsOf(changed('./brand.md', './none.md'))).toEqual([
      '3: ./none.md: there is no such file',
    ]);
    expect(await problemsOf(changed('./brand.md', './latin1.md'))).toEqual([
      '3: ./latin1.md: is not UTF-8 text',
    ]);
    expect(await problemsOf(changed('./brand.md', './media'))).toEqual(['3: ./media: is not a file']);
  });
});

describe('what the platforms refuse', () => {
  const long = 'x'.repeat(3_001);

  it.each([
    [
      'copy that is too long',
      'copy: Hello',
      `copy: ${long}`,
      '14: page: 3001 characters of text, at most 3000 allowed',
    ],
    [
      'copy for one target that is too long',
      'targets: [page]',
      `targets: [{ profile: page, copy: ${long} }]`,
      '15: page: 3001 characters of text, at most 3000 allowed',
    ],
    [
      'an edit that is too long',
      '- submit: { by: author }',
      `- edit: { by: author, copy: ${long} }\n      - submit: { by: author }`,
      '19: page: 3001 characters of text, at most 3000 allowed',
    ],
    ['words without copy', 'copy: Hello', 'copy: " "', '14: page: A post of this type needs text'],
    [
      'a type that it does not have',
      'targets: [page]',
      'targets: [shop]',
      '13: shop: Instagram has no posts without a picture or video',
    ],
    [
      'media in a post of words',
      'copy: Hello',
      'copy: Hello\n    media: [{ file: media/square.jpg }]',
      '15: page: 1 pieces of media, none allowed',
    ],
    [
      'too few pictures',
      '\n      - { file: media/other.jpg, altText: Two }',
      '',
      '26: shop: 1 pieces of media, at least 2 needed',
    ],
    [
      'a format',
      'media/other.jpg',
      'media/square.png',
      '27: shop: image/png is not accepted, only image/jpeg',
    ],
    [
      'a shape',
      'media/other.jpg',
      'media/tall.jpg',
      '27: shop: 50 x 200 is 0.250:1, allowed is 0.8:1 to 1.91:1',
    ],
    [
      'an alternative text that is too long',
      'altText: Two',
      `altText: ${long}`,
      '27: shop: 3001 characters of alternative text, at most 1000 allowed',
    ],
  ])('is reported at its line: %s', async (_, from, to, problem) => {
    expect(await problemsOf(changed(from, to))).toEqual([problem]);
  });

  it('is reported for what a designer delivers, and not for what is not there yet', async () => {
    const media = / {4}media:\n(?: {6}-.*\n){2}/;
    const script = (files: string) => `      - deliver: { by: designer, media: [${files}] }\n`;
    const delivered = `${sound.replace(media, '')}${script('{ file: media/square.jpg }, { file: media/tall.jpg }')}`;
    expect(await problemsOf(delivered)).toEqual([
      '30: shop: 50 x 200 is 0.250:1, allowed is 0.8:1 to 1.91:1',
    ]);
    expect(await problemsOf(sound.replace(media, ''))).toEqual([
      '22: shop: 0 pieces of media, at least 2 needed',
    ]);
  });
});

describe('what one target says of its own', () => {
  const withPins = (target: string) =>
    changed(
      'members:',
      '  pins: { platform: pinterest, accountKind: user, externalId: "27", name: Pins }\nmembers:',
    ).replace('targets: [shop]', `targets:\n      - shop\n      - ${target}`);
  const line = '31: ';

  it('is read, and goes to the interface by the same names', async () => {
    const said =
      '{ profile: pins, type: SINGLE_IMAGE, title: A pin, copy: Other, hashtags: [one], options: { boardId: "12" } }';
    const { posts } = await readCampaign(await write(withPins(said)), { now });
    expect(posts[1]!.targets).toEqual([
      { profile: 'shop', copy: null },
      {
        profile: 'pins',
        type: 'SINGLE_IMAGE',
        title: 'A pin',
        copy: 'Other',
        hashtags: ['one'],
        options: { boardId: '12' },
      },
    ]);
  });

  it.each([
    [
      'a missing option',
      '{ profile: pins, type: SINGLE_IMAGE }',
      'pins: boardId is needed: The board the pin goes to, by its id: digits alone',
    ],
    [
      'an id without quotes',
      '{ profile: pins, type: SINGLE_IMAGE, options: { boardId: 12 } }',
      'pins: boardId must be text of 1 to 32 characters matching ^\\d+$; put it in quotes',
    ],
    [
      'an unknown option',
      '{ profile: pins, type: SINGLE_IMAGE, options: { boardId: "12", bord: x } }',
      'pins: There is no option bord here, only boardId, boardSectionId, link',
    ],
    [
      'a title that is too long',
      `{ profile: pins, type: SINGLE_IMAGE, title: ${'x'.repeat(101)}, options: { boardId: "12" } }`,
      'pins: 101 characters of title, at most 100 allowed',
    ],
    [
      'a title for all platforms',
      `{ profile: pins, type: SINGLE_IMAGE, title: ${'x'.repeat(1_001)}, options: { boardId: "12" } }`,
      'title must have at most 1000 characters',
    ],
    [
      'a first comment where there is none',
      '{ profile: pins, type: SINGLE_IMAGE, firstComment: Hello, options: { boardId: "12" } }',
      'pins: A post of this type takes no first comment from us',
    ],
    [
      'a hashtag with its mark',
      '{ profile: pins, type: SINGLE_IMAGE, hashtags: ["#a"] }',
      'hashtags must be a word without #',
    ],
    [
      'a value that no option has',
      '{ profile: pins, type: SINGLE_IMAGE, options: { boardId: { id: 12 } } }',
      'boardId must be text, a number, true or false, or a list of texts',
    ],
    [
      'a misspelt field',
      '{ profile: pins, type: SINGLE_IMAGE, titel: x }',
      'there is no field titel; there are profile, copy, type, title, hashtags, firstComment, thread, options',
    ],
  ])('is reported at its line: %s', async (_, target, problem) => {
    expect(await problemsOf(withPins(target))).toEqual([line + problem]);
  });

  it('is reported once, however often the script changes the words', async () => {
    const edits = '\n      - edit: { by: author, copy: One }\n      - edit: { by: author, copy: Two }';
    const text = withPins('{ profile: pins, type: SINGLE_IMAGE, title: A pin }').replace(
      '\n    script:\n      - submit: { by: author }\n',
      `\n    script:${edits}\n      - submit: { by: author }\n`,
    );
    expect(await problemsOf(text)).toEqual([
      `33: pins: boardId is needed: The board the pin goes to, by its id: digits alone`,
    ]);
  });
});

describe('scripts that could not be played', () => {
  const step = '- approve: { gate: content, by: reviewer }';

  it.each([
    [
      'a step nobody knows',
      step,
      '- bless: { by: author }',
      '20: there is no step bless; there are submit, ',
    ],
    ['two steps in one', step, `${step}\n        submit: { by: author }`, '20: must be one of submit, '],
    ['a word', step, '- submit', '20: must be one of submit, '],
    ['a step without its fields', step, '- approve:', '20: approve must be a map with by, gate'],
    [
      'an unknown field',
      step,
      '- approve: { gate: content, by: reviewer, on: monday }',
      '20: there is no field on; there are by, gate',
    ],
    [
      'an unknown gate',
      step,
      '- approve: { gate: legal, by: reviewer }',
      '20: gate must be one of content, design, publish',
    ],
    [
      'a gate that the type does not pass',
      step,
      '- approve: { gate: design, by: reviewer }',
      '20: a TEXT_ONLY post does not pass the design gate',
    ],
    [
      'a rejection without a reason',
      step,
      '- reject: { gate: content, by: reviewer, notes: " " }',
      '20: notes must say what is to change',
    ],
    [
      'a designer who edits words',
      step,
      '- edit: { by: designer, copy: New }',
      '20: a graphic_designer may not edit a post',
    ],
    [
      'an author who may not write',
      'author: author',
      'author: designer',
      '17: a graphic_designer may not write posts',
    ],
    [
      'an approval by the author',
      step,
      '- approve: { gate: content, by: author }',
      '20: Whoever last changed the post may not approve its content gate',
    ],
    [
      'an approval by somebody who may not',
      step,
      '- approve: { gate: content, by: designer }',
      '20: The policy does not give the content gate to this graphic_designer',
    ],
    [
      'a gate before its turn',
      step,
      '- approve: { gate: publish, by: reviewer }',
      '20: The publish gate is not open; the post waits at the content gate',
    ],
    [
      'a decision on a draft',
      '- submit: { by: author }',
      '- approve: { gate: content, by: reviewer }',
      '19: The post is a draft; nothing can be decided',
    ],
    [
      'an approval after a rejection',
      step,
      `- reject: { gate: content, by: reviewer, notes: No }\n      ${step}`,
      '21: Changes were requested at the content gate',
    ],
    [
      'a second submission of what was edited',
      step,
      `- edit: { by: author, copy: New }\n      - submit: { by: author }`,
      '21: The post already waits at the content gate',
    ],
  ])('are reported at their line: %s', async (_, from, to, problem) => {
    expect((await problemsOf(changed(from, to)))[0]).toContain(problem);
  });

  it('name no gate that the policy leaves out', async () => {
    const text = changed('brand: ./brand.md', 'policy: { content: { required: false } }');
    expect(await problemsOf(text)).toEqual(['20: the policy does not require the content gate']);
  });

  it('may be right under another policy', async () => {
    const policy = 'policy: { content: { authorMay: true, deciders: { members: [author] } } }';
    const text = changed('brand: ./brand.md', policy).replace(
      step,
      '- approve: { gate: content, by: author }',
    );
    const { posts, policy: read } = await readCampaign(await write(text), { now });
    expect(posts[0]!.goesOut).toBe(true);
    expect(read.content).toEqual({ authorMay: true, deciders: { roles: [], members: ['author'] } });
  });
});
