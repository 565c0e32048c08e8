import { startGatepost } from '@gatepost/gatepost/testing';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createStops } from '../../testing/stops.ts';
import { testEndpoints } from '../support/endpoints.ts';

/* As in somebody else's project: nobody has shared servers, and the environment names servers that are no test's. */

const names = ['GATEPOST_TEST_SERVERS', 'DATABASE_URL', 'TEMPORAL_ADDRESS', 'S3_ENDPOINT'];
const before = names.map((name) => process.env[name]);
beforeAll(() => {
  for (const name of names) process.env[name] = 'postgres://the-application.test/production';
  delete process.env.GATEPOST_TEST_SERVERS;
});
afterAll(() => {
  for (const [index, name] of names.entries()) {
    if (before[index] === undefined) delete process.env[name];
    else process.env[name] = before[index];
  }
});

test('starts servers of its own, and uses none that the environment names', async () => {
  const lines: string[] = [];
  const gatepost = await startGatepost({ report: (line) => lines.push(line) });
  const { superuserUrl } = gatepost.environment.servers;
  try {
    const page = await gatepost.profiles.connect('linkedin');
    const post = await gatepost.posts.create({ profiles: [page], dueAt: gatepost.clock.in({ hours: 6 }) });
    await gatepost.posts.approve(post, 'content', 'publish');
    await gatepost.clock.advanceToDue(post);
    await gatepost.ledger.expectOnce(post);
  } finally {
    await gatepost.stop();
  }
  expect(lines.join('\n')).not.toContain('using the server');
  expect(superuserUrl).not.toContain('the-application.test');
});

test('says which servers are missing', async () => {
  const servers = { ...testEndpointsOf(before[0]), temporalTestServerPath: null };
  await expect(startGatepost({ servers })).rejects.toThrow('started without those for skipping time');
});

function testEndpointsOf(file: string | undefined) {
  process.env.GATEPOST_TEST_SERVERS = file;
  try {
    return testEndpoints();
  } finally {
    delete process.env.GATEPOST_TEST_SERVERS;
  }
}

test('ends what was started in reverse order, and all of it, also when one cannot be ended', async () => {
  const ended: string[] = [];
  const stops = createStops();
  stops.add(async () => ended.push('first'));
  stops.add(async () => {
    throw new Error('The second is stuck');
  });
  stops.add(() => ended.push('third'));
  await expect(stops.run()).rejects.toThrow('The second is stuck');
  expect(ended).toEqual(['third', 'first']);
  await stops.run();
  expect(ended).toEqual(['third', 'first']);
});
