import { readWorkerConfig } from '../../cli/config.ts';
import { defaultRates } from '../../domain/rates.ts';

const environment = {
  TEMPORAL_ADDRESS: 'localhost:7233',
  GATEPOST_WORKER_DATABASE_URL: 'postgres://gatepost_worker@localhost/gatepost',
  GATEPOST_KEYS: `a:${Buffer.alloc(32, 7).toString('base64')}`,
  ...{ S3_ENDPOINT: 'http://localhost:9000', S3_ACCESS_KEY_ID: 'key', S3_SECRET_ACCESS_KEY: 'secret' },
};
const read = (rates: unknown) =>
  readWorkerConfig({ ...environment, GATEPOST_RATES: JSON.stringify(rates) }).GATEPOST_RATES;

it('replaces what it names and keeps every other rate and cap', () => {
  const caps = [{ counts: 'profile', max: 25, window: { dayIn: 'Asia/Tokyo' }, types: ['REEL'] }];
  expect(read({ tiktok: { caps }, x: { app: null } })).toEqual({
    ...defaultRates,
    tiktok: { ...defaultRates.tiktok, caps },
    x: { ...defaultRates.x, app: null },
  });
});

it.each([
  ['a window in no zone', { window: { dayIn: 'Moon/Tranquility' } }, /tiktok\.caps\.0\.window.*time zone/s],
  ['no window', { window: undefined }, /tiktok\.caps\.0\.window/],
  ['room for none', { max: 0 }, /tiktok\.caps\.0\.max.*>=1/],
  ['more than are counted', { max: 10_001 }, /tiktok\.caps\.0\.max.*<=10000/],
  ['a type there is not', { types: ['BLOG'] }, /tiktok\.caps\.0\.types\.0.*TEXT_ONLY/],
  ['a word that means nothing', { perDay: 3 }, /tiktok\.caps\.0.*perDay/],
])('refuses a cap with %s, and says where', (_what, fields, complaint) => {
  const cap = { counts: 'profile', max: 25, window: { hours: 24 }, ...fields };
  expect(() => read({ tiktok: { caps: [cap] } })).toThrow(complaint);
});
