import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gatepost, startGatepost } from '@gatepost/gatepost/testing';
import { afterAll, beforeAll, describe, test } from '@jest/globals';

/* The recipes of docs/testing.md, as they stand there: recipes-page.test.ts holds the two equal. */

test('is a whole Gatepost in three lines', async () => {
  const gatepost = await startGatepost();
  const post = await gatepost.posts.create({
    copy: 'Hello',
    profiles: [await gatepost.profiles.connect('linkedin', 'organization')],
    dueAt: gatepost.clock.in({ hours: 6 }),
  });
  await gatepost.posts.approve(post, 'content', 'publish');
  await gatepost.clock.advanceToDue(post);
  await gatepost.ledger.expectOnce(post);
  await gatepost.stop();
});

describe('with one Gatepost for several tests', () => {
  let gatepost: Gatepost;
  let folder: string;
  beforeAll(async () => {
    gatepost = await startGatepost();
    folder = await mkdtemp(join(tmpdir(), 'gatepost-recipes-'));
  });
  afterAll(async () => {
    await gatepost.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('a post goes out once, on time, as it was approved', async () => {
    const page = await gatepost.profiles.connect('linkedin', 'organization');
    const post = await gatepost.posts.create({
      copy: 'We open on Saturday.',
      profiles: [page],
      dueAt: gatepost.clock.in({ hours: 6 }),
    });
    await gatepost.posts.approve(post, 'content', 'publish');
    await gatepost.clock.advanceToDue(post);
    await gatepost.ledger.expectOnce(post);
  });

  test('a post goes out once although the connection breaks after the platform has taken it', async () => {
    const page = await gatepost.profiles.connect('linkedin', 'organization');
    // LinkedIn refuses a body that it has already; here it would take it, so that a second send would show.
    await gatepost.platforms.configure({ duplicateWindowMs: 0 });
    const fault = await gatepost.platforms.fail('linkedin.posts.create', 'accept-then-reset', {
      profile: page,
    });
    const post = await gatepost.posts.create({ profiles: [page], dueAt: gatepost.clock.in({ days: 2 }) });
    await gatepost.posts.approve(post, 'content', 'publish');
    const { status } = await gatepost.clock.advanceToDue(post);
    assert.equal(await fault.hits(), 1);
    assert.equal(status, 'PUBLISHED');
    await gatepost.ledger.expectOnce(post);
  });

  test('nothing goes out that was edited after its approval', async () => {
    const page = await gatepost.profiles.connect('linkedin', 'organization');
    const post = await gatepost.posts.create({ profiles: [page], dueAt: gatepost.clock.in({ days: 1 }) });
    await gatepost.posts.approve(post, 'content', 'publish');
    await gatepost.posts.edit(post, { copy: 'We open on Sunday.' });
    assert.deepEqual(await gatepost.posts.waitsFor(post), ['gate:content', 'until-due']);
    await gatepost.clock.advance({ days: 3 });
    await gatepost.ledger.expectNothing(post);
  });

  test('nothing goes out while nobody answers', async () => {
    const page = await gatepost.profiles.connect('linkedin', 'organization');
    const post = await gatepost.posts.create({ profiles: [page], dueAt: gatepost.clock.in({ days: 1 }) });
    await gatepost.clock.advance({ weeks: 1 });
    const { status, openGate, blockedOn } = await gatepost.posts.read(post);
    assert.equal(status, 'IN_REVIEW');
    assert.equal(openGate, 'content');
    assert.match(blockedOn[0]!.message, /content gate waits for/);
    await gatepost.ledger.expectNothing(post);
  });

  test('a captured history replays, and other workflow code is caught', async () => {
    const page = await gatepost.profiles.connect('linkedin', 'organization');
    const post = await gatepost.posts.create({ profiles: [page], dueAt: gatepost.clock.in({ hours: 1 }) });
    await gatepost.posts.approve(post, 'content', 'publish');
    await gatepost.clock.advanceToDue(post);
    const history = await gatepost.histories.capture(post);
    await gatepost.histories.replay(history);

    const code = await readFile(gatepost.histories.bundlePath, 'utf8');
    const changed = join(folder, 'changed.js');
    await writeFile(changed, code.replace('const { armTarget }', 'const { releaseTarget: armTarget }'));
    await assert.rejects(gatepost.histories.replay(history, { bundlePath: changed }), /nondeterminism/i);
  });
});
