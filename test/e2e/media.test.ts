import { createHash } from 'node:crypto';
import {
  approve,
  createPicture,
  edit,
  expectStatus,
  inSeconds,
  type Live,
  type LiveTenant,
  putBytes,
  schedule,
  startLive,
  submitText,
  uploadPicture,
  waitForStatus,
  within,
} from '../support/live.ts';

let live: Live;
let tenant: LiveTenant;

beforeAll(async () => {
  live = await startLive();
  tenant = await live.createTenant();
}, 90_000);
afterAll(() => live?.stop(), 60_000);

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const announce = async (fields: { fileName: string; contentType: string; sizeBytes: number }) =>
  expectStatus(await tenant.designer.send('POST', '/media', { body: fields }), 201).body;

test('what is written to the upload address after the approval changes nothing that is published', async () => {
  const { author, reviewer, designer, viewer } = tenant;
  const profile = await tenant.connect();
  const { mediaId, bytes, upload } = await uploadPicture(designer);
  const postId = await submitText(author, [profile], { type: 'SINGLE_IMAGE', copy: 'Look' });
  await approve(reviewer, postId, 'content');
  expectStatus(await edit(designer, postId, { media: [{ mediaId, altText: 'A colour' }] }), 200);
  await approve(reviewer, postId, 'design', 'publish');

  // The address is signed for a length, so the other picture is of the same.
  const other = Buffer.concat([await createPicture(), Buffer.alloc(bytes.length)]).subarray(0, bytes.length);
  expect(sha256(other)).not.toBe(sha256(bytes));
  expect(await putBytes(upload.url, upload.headers, other)).toBe(200);
  const again = expectStatus(await designer.send('POST', `/media/${mediaId}/complete`), 200);
  expect(again.body.sha256).toBe(sha256(bytes));
  const { download } = expectStatus(await viewer.send('GET', `/media/${mediaId}`), 200).body;
  const downloaded = await fetch(download.url, { signal: AbortSignal.timeout(10_000) });
  expect(sha256(Buffer.from(await downloaded.arrayBuffer()))).toBe(sha256(bytes));

  expectStatus(await schedule(author, postId, inSeconds(3)), 200);
  await waitForStatus(viewer, postId, 'PUBLISHED');
  const ledger = await live.ledgerOf(profile);
  expect(ledger.map((entry) => entry.media.map((item) => item.sha256))).toEqual([[sha256(bytes)]]);
});

test('an upload of another length or type than was announced is refused by the store', async () => {
  const bytes = await createPicture();
  const { id, upload } = await announce({
    fileName: 'picture.jpg',
    contentType: 'image/jpeg',
    sizeBytes: bytes.length,
  });
  const longer = Buffer.concat([bytes, Buffer.from('more')]);
  expect(await putBytes(upload.url, upload.headers, longer)).toBe(403);
  expect(await putBytes(upload.url, upload.headers, bytes.subarray(1))).toBe(403);
  expect(await putBytes(upload.url, { ...upload.headers, 'Content-Type': 'text/html' }, bytes)).toBe(403);
  const completed = await tenant.designer.send('POST', `/media/${id}/complete`);
  expect([completed.status, completed.body.code]).toEqual([409, 'upload-missing']);
  expect(await putBytes(upload.url, upload.headers, bytes)).toBe(200);
  // The first answer was kept under its key; a new request looks again.
  expectStatus(await tenant.designer.send('POST', `/media/${id}/complete`), 200);
});

test('a text file by the name of a picture is refused by what it holds, and no post can carry it', async () => {
  const bytes = Buffer.from('This is no picture, whatever its name says.\n'.repeat(20));
  const { id, upload } = await announce({
    fileName: 'picture.jpg',
    contentType: 'image/jpeg',
    sizeBytes: bytes.length,
  });
  expect(await putBytes(upload.url, upload.headers, bytes)).toBe(200);
  const completed = await tenant.designer.send('POST', `/media/${id}/complete`);
  expect([completed.status, completed.body.code]).toEqual([422, 'media-refused']);
  expect(completed.body.errors[0].code).toMatch(/^[a-z-]+$/);
  expect((await tenant.viewer.send('GET', `/media/${id}`)).body).toMatchObject({
    state: 'refused',
    refusal: { code: completed.body.errors[0].code },
    download: null,
  });
  const profile = await tenant.connect();
  const refused = await tenant.author.send('POST', '/posts', {
    body: { type: 'SINGLE_IMAGE', copy: '', media: [{ mediaId: id }], targets: [{ profileId: profile.id }] },
  });
  expect([refused.status, refused.body.code]).toEqual([422, 'invalid-post']);
  expect(refused.body.errors[0]).toMatchObject({ path: '/media/0/mediaId', code: 'media-not-ready' });
});

test('a file is fetched from nowhere within', async () => {
  // The names and ports of what this very test runs on.
  for (const url of ['https://localhost/', 'https://localhost:443/a.jpg']) {
    const asked = expectStatus(await tenant.designer.send('POST', '/media/import', { body: { url } }), 202);
    const medium = await within(20_000, 'a decision', async () => {
      const { body } = await tenant.viewer.send('GET', `/media/${asked.body.id}`);
      return body.state !== 'pending' && body;
    });
    expect([medium.state, medium.refusal.code]).toEqual(['refused', 'address-refused']);
    expect(medium.refusal.message).not.toMatch(/127\.0|::1/);
  }
  const { port } = new URL(live.endpoints.superuserUrl);
  const body = { url: `https://files.example:${port}/` };
  const refused = await tenant.designer.send('POST', '/media/import', { body });
  expect([refused.status, refused.body.code]).toEqual([422, 'address-refused']);
});

test('a file too large to be taken is refused before anything is uploaded', async () => {
  const body = { fileName: 'huge.jpg', contentType: 'image/jpeg', sizeBytes: 36_000_001 };
  const refused = await tenant.designer.send('POST', '/media', { body });
  expect([refused.status, refused.body.code]).toEqual([422, 'media-too-large']);
});

test('the upload address writes where it was signed for and nowhere else', async () => {
  const { bytes, upload, completed } = await uploadPicture(tenant.designer);
  const { bytes: victim, completed: kept } = await uploadPicture(tenant.designer);
  const bucket = new URL(upload.url).pathname.split('/')[1]!;
  const elsewhere = (path: string) => Object.assign(new URL(upload.url), { pathname: path }).href;
  const keys = [
    `/${bucket}/${tenant.id}/${kept.body.sha256}`,
    `/${bucket}/${tenant.id}/${completed.body.sha256}`,
    `/${bucket}/incoming/${tenant.id}/${kept.body.id}`,
  ];
  for (const key of keys) {
    expect(await putBytes(elsewhere(key), upload.headers, bytes)).toBe(403);
    const unsigned = new URL(elsewhere(key));
    unsigned.search = '';
    expect(await putBytes(unsigned.href, upload.headers, bytes)).toBe(403);
  }
  const { download } = expectStatus(await tenant.viewer.send('GET', `/media/${kept.body.id}`), 200).body;
  const downloaded = await fetch(download.url, { signal: AbortSignal.timeout(10_000) });
  expect(sha256(Buffer.from(await downloaded.arrayBuffer()))).toBe(sha256(victim));
  // Nor does the address for reading write.
  expect(await putBytes(download.url, upload.headers, bytes)).toBe(403);
});
