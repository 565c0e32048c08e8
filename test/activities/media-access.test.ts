import type { ActivityDependencies, PublishingContext } from '../../activities/dependencies.ts';
import { mediaAccess } from '../../activities/media-access.ts';
import type { MediaItem } from '../../adapters/platforms/publisher.ts';
import { OutcomeError } from '../../domain/outcome.ts';

const item = { mediaId: 'm1' } as MediaItem;
const publishing = {
  stored: { media: [{ mediaId: 'm1', objectKey: 't1/abc' }] },
} as unknown as PublishingContext;
const accessWith = (fileAddress?: ActivityDependencies['fileAddress']) =>
  mediaAccess(
    {
      storage: {
        presignDownload: async (key, seconds) => `https://store.example/${key}?for=${seconds}`,
      } as ActivityDependencies['storage'],
      ...(fileAddress && { fileAddress }),
    },
    publishing,
  );

test("gives the store's address, or our own to an adapter that asks for it", async () => {
  const access = accessWith((key, seconds) => `https://gatepost.example/${key}?for=${seconds}`);
  expect(await access.url(item, 60)).toBe('https://store.example/t1/abc?for=60');
  expect(await access.url(item, 60, 'store')).toBe('https://store.example/t1/abc?for=60');
  expect(await access.url(item, 60, 'interface')).toBe('https://gatepost.example/t1/abc?for=60');
});

test('refuses, before anything is sent, where our own address is not known', async () => {
  const error = await accessWith()
    .url(item, 60, 'interface')
    .catch((reason) => reason);
  expect(error).toBeInstanceOf(OutcomeError);
  expect([error.code, error.details.sent]).toEqual(['rejected', false]);
  expect(error.message).toContain('GATEPOST_PUBLIC_URL is not set');
});
