import { type Gatepost, startGatepost } from '@gatepost/gatepost/testing';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

let gatepost: Gatepost;
beforeAll(async () => {
  gatepost = await startGatepost({ time: 'real' });
});
afterAll(async () => {
  await gatepost.stop();
});

test('publishes once, on time, while time passes as it does', async () => {
  const page = await gatepost.profiles.connect('linkedin');
  const post = await gatepost.posts.create({ profiles: [page], dueAt: gatepost.clock.in({ seconds: 3 }) });
  await gatepost.posts.approve(post, 'content', 'publish');
  const { status } = await gatepost.clock.advanceToDue(post);
  expect(status).toBe('PUBLISHED');
  await gatepost.ledger.expectOnce(post);
  await gatepost.histories.replay(post);
});

test('refuses to wait for hours', async () => {
  await expect(gatepost.clock.advance({ hours: 6 })).rejects.toThrow('Real time does not skip: 360 minutes');
});
