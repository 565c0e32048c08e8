import { checkTarget, type MediaFacts } from '../../../domain/platform-rules.ts';
import { fixtures } from './fixtures/index.ts';
import { cells, openStage, type Stage } from './stage.ts';
import { context } from './support.ts';

/** Every cell of the table against a server that speaks the platform's protocol: what is sent has to be understood. */

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.stop());

const named = cells.map((cell) => [cell.platform, cell.kind, cell.type, cell] as const);

it.each(named)(
  '%s %s %s goes public once, as it was written, and is confirmed',
  async (platform, kind, type, cell) => {
    const fixture = fixtures[platform];
    const content = stage.contentOf(cell, `${kind} ${type}`);
    const { text, title, options } = content;
    const media: MediaFacts[] = content.media.map((item) => ({ ...item, frameRate: 30, videoCodec: 'AVC' }));
    expect(checkTarget({ platform, kind, type, text, title: title ?? null, options, media })).toEqual([]);
    const before = new Set((await stage.ledgerOf(cell)).map(({ ledgerId }) => ledgerId));
    const newEntries = async () =>
      (await stage.ledgerOf(cell)).filter(({ ledgerId }) => !before.has(ledgerId));
    const handle = await stage.prepare(cell, content);
    expect(await newEntries()).toEqual([]);
    const { publicId } = await stage.commit(cell, content, handle);
    const confirmed = await stage
      .adapterOf(cell)
      .publisher.confirm(stage.accountOf(cell), publicId, context());
    const entries = await newEntries();
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({
      postType: fixture.shownType?.(type) ?? type,
      text: fixture.shownText?.(content) ?? text,
      ...(title !== undefined && { title }),
    });
    expect(entries[0]!.media).toHaveLength(content.media.length);
    if (fixture.hasAltTexts?.(type) ?? true)
      expect(entries[0]!.altTexts).toEqual(content.media.map(({ altText }) => altText));
    expect(confirmed).toEqual({ publicId: entries[0]!.publicId, permalink: entries[0]!.permalink });
  },
);
