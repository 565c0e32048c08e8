import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';

/* docs/testing.md shows recipes; each must be code of recipes.test.ts, line by line, so that what is shown runs. */

const page = await readFile(new URL('../../docs/testing.md', import.meta.url), 'utf8');
const source = await readFile(new URL('./recipes.test.ts', import.meta.url), 'utf8');

/** Without what the formatter decides: indentation, line breaks and the commas they bring. */
const plain = (code: string): string => code.replace(/\s+/g, '').replace(/,([)}\]])/g, '$1');

const recipesOf = (text: string): string[] =>
  [...text.matchAll(/<!-- recipe -->\n\n```ts\n(.*?)```/gs)].map((match) => match[1]!);

const missingFrom = (code: string, recipes: readonly string[]): string[] =>
  recipes.filter((recipe) => !plain(code).includes(plain(recipe.replace(/^import .*\n+/, ''))));

test('every recipe of the page runs as a test', () => {
  const recipes = recipesOf(page);
  expect(recipes).toHaveLength(6);
  expect(missingFrom(source, recipes)).toEqual([]);
});

test('a recipe that has drifted is noticed', () => {
  const drifted = page.replace(
    'await gatepost.clock.advance({ days: 3 });',
    'await gatepost.clock.advance({ days: 4 });',
  );
  expect(missingFrom(source, recipesOf(drifted))).toHaveLength(1);
});

test('what the page imports is what the tests import', () => {
  expect(page).toContain("import { startGatepost } from '@gatepost/gatepost/testing';");
  expect(source).toContain("from '@gatepost/gatepost/testing';");
});
