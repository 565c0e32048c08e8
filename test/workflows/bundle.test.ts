import { readFile, stat } from 'node:fs/promises';
import { testEndpoints } from '../support/endpoints.ts';

/*
 * The bundle is loaded for every cached workflow: it holds workflow code, the pure rules and the SDK, and neither a
 * validator nor crypto, time zones, HTTP or the activities' own code.
 */

const modulesOf = async (): Promise<string[]> => {
  const code = await readFile(testEndpoints().workflowBundlePath, 'utf8');
  return [...new Set([...code.matchAll(/^\/\*\*\*\/ "(\.\/[^"]+)"/gm)].map((match) => match[1]!))];
};

test('holds our workflow code and the pure rules, and no other layer', async () => {
  const own = (await modulesOf()).filter((module) => !module.startsWith('./node_modules/'));
  const strangers = own.filter((module) => !/^\.\/(workflows|domain)\//.test(module));
  expect(own).toEqual(expect.arrayContaining(['./workflows/post.ts', './domain/reducer.ts']));
  expect(strangers).toEqual([]);
  for (const kept of ['revision', 'time-zone', 'wall-clock'])
    expect(own).not.toContain(`./domain/${kept}.ts`);
});

test('holds no library but the SDK and what it needs', async () => {
  const packages = (await modulesOf())
    .map((module) => /^\.\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(module)?.[1])
    .filter((name) => name !== undefined);
  expect([...new Set(packages)].sort()).toEqual(
    expect.arrayContaining(['@temporalio/common', '@temporalio/workflow']),
  );
  expect(
    [...new Set(packages)].filter((name) =>
      /zod|pg|kysely|express|jose|sharp|undici|aws|temporal-polyfill|temporal-utils/.test(name),
    ),
  ).toEqual([]);
});

test('stays below 3 MB', async () => {
  expect((await stat(testEndpoints().workflowBundlePath)).size).toBeLessThan(3 * 1024 * 1024);
});
