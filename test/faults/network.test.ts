import type { ToxicKind } from '../support/toxics.ts';
import { playCell } from './cell.ts';
import { findViolations, type Observation } from './detector.ts';
import { checkOf, faultOf, type LinkName, linkNames, startLinked, toxicKinds } from './links.ts';
import { setStage } from './stage.ts';

/*
 * What a bad network does to the four links that matter: posts are late, and nothing else. Each link has processes of
 * its own, so that the links are played side by side, and the cells of a link one after the other.
 */

const cells = new Map<string, Promise<Observation>>();
const links: Promise<void>[] = [];
const nameOf = (link: LinkName, kind: ToxicKind) => `${link} ${kind}`;

beforeAll(() => {
  links.push(...linkNames.map(playLink));
});
afterAll(async () => {
  await Promise.all(links);
}, 60_000);

/** Notes each cell's outcome as a promise at once; a cell's failure is its own test's. */
async function playLink(link: LinkName): Promise<void> {
  const linked = startLinked(link);
  const stage = linked.then(({ live }) => setStage(live));
  let before: Promise<unknown> = stage;
  for (const kind of toxicKinds) {
    const cell = before.then(async () => {
      const { proxy } = await linked;
      return playCell(await stage, { proxy, fault: faultOf(link, kind), check: checkOf[link] });
    });
    cells.set(nameOf(link, kind), cell);
    before = cell.catch(() => {});
  }
  await before;
  await (await linked).stop();
}

describe.each(linkNames)('%s', (link) => {
  test.each(toxicKinds)(
    '%s: nothing is lost or done twice, every answer comes in time, and all is well soon after',
    async (kind) => {
      expect(findViolations(await cells.get(nameOf(link, kind))!)).toEqual([]);
    },
    240_000,
  );
});
