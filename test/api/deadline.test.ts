import { jest } from '@jest/globals';
import { answerInTime } from '../../api/deadline.ts';
import type { Answer, Route } from '../../api/route.ts';

type Arguments = Parameters<typeof answerInTime>;

const warnings: [Record<string, unknown>, string][] = [];
const log = { warn: (...line: [Record<string, unknown>, string]) => void warnings.push(line) };
const requestOf = (fields: Partial<{ complete: boolean; readableDidRead: boolean }> = {}) =>
  ({ complete: true, readableDidRead: true, ...fields, log }) as unknown as Arguments[1];
const routeOf = (fields: Partial<Route>) => fields as Route;
const schedulePost = routeOf({ operationId: 'schedulePost', problems: ['outcome-unknown'] });
const listPosts = routeOf({ operationId: 'listPosts' });
const answer: Answer = { status: 200, body: {} };

const never = () => new Promise<Answer>(() => {});
const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1_000);

beforeEach(() => {
  warnings.length = 0;
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

test('what is done in time is answered as it is, and leaves no timer', async () => {
  expect(await answerInTime(schedulePost, requestOf(), Promise.resolve(answer))).toBe(answer);
  const refused = answerInTime(schedulePost, requestOf(), Promise.reject(new Error('No')));
  await expect(refused).rejects.toThrow('No');
  expect(jest.getTimerCount()).toBe(0);
});

test.each([
  ['a command', schedulePost, 'outcome-unknown'],
  ['a read', listPosts, 'unavailable'],
])('%s that takes longer is answered with when to come again', async (_what, route, code) => {
  const late = expect(answerInTime(route, requestOf(), never())).rejects.toMatchObject({
    ...{ name: 'Problem', code },
    headers: { 'Retry-After': '5' },
  });
  await seconds(8);
  await late;
});

test('what comes of it later is logged', async () => {
  let finish: (answer: Answer) => void = () => {};
  let fail: (error: Error) => void = () => {};
  const works = [
    new Promise<Answer>((resolve) => {
      finish = resolve;
    }),
    new Promise<Answer>((_resolve, reject) => {
      fail = reject;
    }),
  ];
  const late = works.map((work) => answerInTime(schedulePost, requestOf(), work).catch(() => {}));
  await seconds(8);
  await Promise.all(late);
  finish(answer);
  fail(new Error('Too bad'));
  await seconds(0);
  expect(warnings).toEqual([
    [{ status: 200 }, 'A request was done after it had been answered'],
    [{ err: new Error('Too bad') }, 'A request failed after it had been answered'],
  ]);
});

test('a caller who is still sending is not hurried, until all has come', async () => {
  const request = requestOf({ complete: false });
  let isLate = false;
  const late = answerInTime(schedulePost, request, never()).catch(() => {
    isLate = true;
  });
  await seconds(20);
  expect(isLate).toBe(false);
  Object.assign(request, { complete: true });
  await seconds(8);
  await late;
  expect(isLate).toBe(true);
});

test('a body that nobody has begun to read is no reason to wait', async () => {
  const request = requestOf({ complete: false, readableDidRead: false });
  const late = expect(answerInTime(schedulePost, request, never())).rejects.toThrow('not done in time');
  await seconds(8);
  await late;
});

test('the completion of an upload takes the time that it takes', async () => {
  const route = routeOf({ operationId: 'completeMedia' });
  const work = new Promise<Answer>((resolve) => setTimeout(() => resolve(answer), 60_000));
  const answered = answerInTime(route, requestOf(), work);
  await seconds(60);
  expect(await answered).toBe(answer);
});
