import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { Problem, problemCodes, renderProblem } from '../../api/problems.ts';
import { renderPlatformsPage } from '../../cli/platforms-page.ts';
import { blockCodes } from '../../domain/lifecycle.ts';
import { defaultPolicy } from '../../domain/policy.ts';
import { publicationStates } from '../../domain/publication.ts';

/* Pages that list what the code has: the lists must be equal. */

const root = new URL('../../', import.meta.url);
const read = (path: string): Promise<string> => readFile(new URL(path, root), 'utf8');

/** What stands between a heading and the next one of its level or above. */
function section(page: string, heading: string): string {
  const [, after] = page.split(`\n${heading}\n`);
  if (after === undefined) throw new Error(`There is no ${heading}`);
  const level = /^#+/.exec(heading)![0].length;
  return after.split(new RegExp(`\\n#{1,${level}} `))[0]!;
}

/** The cells of the rows of the tables in a text, without their heads. */
const rowsOf = (text: string): string[][] =>
  [...text.matchAll(/^\|(.*)\|$/gm)]
    .map(([, row]) => row!.split('|').map((cell) => cell.trim()))
    .filter((_, index, rows) => !isRule(rows[index]!) && !isRule(rows[index + 1] ?? []));
const isRule = (cells: readonly string[]): boolean =>
  cells.length > 0 && cells.every((cell) => /^-+$/.test(cell));

const codesIn = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

async function sources(folder: string): Promise<string> {
  const names = await readdir(new URL(folder, root), { recursive: true });
  const files = names.filter((name) => name.endsWith('.ts'));
  return (await Promise.all(files.map((name) => read(`${folder}/${name}`)))).join('\n');
}

test('docs/http-api.md lists every problem with its status and title', async () => {
  const listed = rowsOf(section(await read('docs/http-api.md'), '## Problems'));
  const known = problemCodes.map((code) => {
    const { status, title } = renderProblem(new Problem(code, ''), '');
    return [String(status), `\`${code}\``, title];
  });
  expect(listed.toSorted()).toEqual(known.toSorted());
});

test('docs/http-api.md lists every field of a policy', async () => {
  const rows = rowsOf(section(await read('docs/http-api.md'), '## Policies'));
  const listed = rows.map(([field]) => field);
  expect(listed).toEqual(Object.keys(defaultPolicy.content).map((field) => `\`${field}\``));
});

test('docs/operations.md lists every event of a timeline', async () => {
  const rows = rowsOf(section(await read('docs/operations.md'), '## What a timeline says'));
  const listed = rows.flatMap(([types]) => codesIn(types!));
  const code = (await Promise.all(['domain', 'activities', 'workflows', 'db', 'api'].map(sources))).join(
    '\n',
  );
  const written = [...code.matchAll(/'((?:post|gate|target|part)\.[a-z-]+)'/g)].map(([, type]) => type!);
  // Types that are put together: of a row's states, and of the ends that no row tells of.
  const together = [...code.matchAll(/`(?:post|gate|target|part)\.\$\{(\w+)/g)].map(([, from]) => from);
  expect(together.toSorted()).toEqual(['phase', 'stateOf', 'stateOf']);
  const ends = [...publicationStates, 'FAILED', 'UNCONFIRMED'];
  const named = (state: string) => state.toLowerCase().replaceAll('_', '-');
  const ofTargets = ends.map((state) => `target.${named(state)}`);
  const ofParts = publicationStates.map((state) => `part.${named(state)}`);
  expect(listed.toSorted()).toEqual([...new Set([...written, ...ofTargets, ...ofParts])].sort());
});

test('README.md names everything that can stand between a post and its publication', async () => {
  const [, list] = /`status` and `blockedOn` say it in words and codes:([^.]*)\./.exec(
    await read('README.md'),
  )!;
  expect(codesIn(list!).toSorted()).toEqual([...blockCodes].sort());
});

test('README.md lists every setting of a process', async () => {
  const listed = rowsOf(section(await read('README.md'), '## Configuration')).flatMap(([names]) =>
    codesIn(names!),
  );
  const known = [...(await read('cli/config.ts')).matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)].map(
    ([, name]) => name!,
  );
  expect(listed.toSorted()).toEqual([...new Set(known)].sort());
});

test('docs/platforms.md is what the rules say', async () => {
  expect(await read('docs/platforms.md')).toBe(`${renderPlatformsPage()}\n`);
});
