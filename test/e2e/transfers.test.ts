import {
  approve,
  inSeconds,
  type Live,
  type LiveTenant,
  readTimeline,
  startLive,
  submitText,
  uploadPicture,
  waitForStatus,
  within,
} from '../support/live.ts';

let live: Live;
let tenant: LiveTenant;

beforeAll(async () => {
  live = await startLive({ worker: false });
  await live.startWorker({ GATEPOST_TRANSFERS_AT_ONCE: '1' });
  tenant = await live.createTenant();
}, 90_000);
afterAll(() => live?.stop(), 60_000);

interface SandboxRequest {
  readonly operation: string;
  readonly receivedAt: string;
}
async function initializedAtMs(): Promise<number[]> {
  const answer = await live.control('GET', '/requests?operation=linkedin.images.initialize');
  const { requests } = answer as { requests: SandboxRequest[] };
  return requests.map(({ receivedAt }) => Date.parse(receivedAt));
}

test('uploads go one after the other where one has a place, and nothing that is due waits for them', async () => {
  const processingMs = 6_000;
  await live.control('PATCH', '/settings', { imageProcessingMs: processingMs });
  const profile = await tenant.connect();
  const dueAt = inSeconds(20).toISOString();
  const pictures: string[] = [];
  for (const altText of ['A tulip', 'A rose']) {
    const { mediaId } = await uploadPicture(tenant.designer);
    const fields = { type: 'SINGLE_IMAGE', media: [{ mediaId, altText }], dueAt, copy: altText };
    const postId = await submitText(tenant.author, [profile], fields);
    await approve(tenant.reviewer, postId, 'content', 'design', 'publish');
    pictures.push(postId);
  }
  await within(15_000, 'one is being uploaded', async () => (await initializedAtMs()).length > 0);
  const text = await submitText(tenant.author, [await tenant.connect()]);
  await approve(tenant.reviewer, text, 'content', 'publish');
  await tenant.author.send('POST', `/posts/${text}/schedule`, {
    body: { dueAt: inSeconds(2).toISOString() },
  });
  await waitForStatus(tenant.viewer, text, 'PUBLISHED');
  const { publications } = await readTimeline(tenant.viewer, text);
  expect(publications[0].latenessMs).toBeLessThan(2_000);
  for (const postId of pictures) await waitForStatus(tenant.viewer, postId, 'PUBLISHED', 60_000);
  const [first, second, ...more] = await initializedAtMs();
  expect(second! - first!).toBeGreaterThanOrEqual(processingMs);
  expect(more).toEqual([]);
});
