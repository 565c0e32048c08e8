import {
  type CommitMeaning,
  meaningOfFailedCommit,
  type OutcomeCode,
  type OutcomeDetails,
  OutcomeError,
  outcomeCodes,
} from '../../domain/outcome.ts';

describe('the meaning of a failed commit', () => {
  const table: [OutcomeCode, OutcomeDetails | undefined, CommitMeaning][] = [
    ['rejected', undefined, 'refused'],
    ['unauthorized', undefined, 'not-sent'],
    ['rate-limited', undefined, 'not-sent'],
    ['rate-limited', { retryAfterMs: 1_000 }, 'not-sent'],
    ['unavailable', undefined, 'unknown'],
    ['unavailable', {}, 'unknown'],
    ['unavailable', { sent: undefined }, 'unknown'],
    ['unavailable', { sent: true }, 'unknown'],
    ['unavailable', { sent: false }, 'not-sent'],
    ['unexpected-response', undefined, 'unknown'],
    ['unexpected-response', { sent: false }, 'unknown'],
    ['outcome-unknown', undefined, 'unknown'],
    ['outcome-unknown', { sent: false }, 'unknown'],
  ];

  it.each(table)('%s with %j is %s', (code, details, meaning) => {
    expect(meaningOfFailedCommit(code, details)).toBe(meaning);
  });

  it('is known for each of the six codes, and stops at another', () => {
    expect([...new Set(table.map(([code]) => code))]).toEqual([...outcomeCodes]);
    expect(() => meaningOfFailedCommit('lost' as OutcomeCode)).toThrow('Unknown outcome code: "lost"');
  });
});

describe('an outcome error', () => {
  it('carries its code, its details, and its message', () => {
    const error = new OutcomeError('rate-limited', 'Too many posts', { retryAfterMs: 5, status: 429 });
    expect(error).toBeInstanceOf(Error);
    expect({ ...error, message: error.message }).toEqual({
      name: 'OutcomeError',
      code: 'rate-limited',
      message: 'Too many posts',
      details: { retryAfterMs: 5, status: 429 },
    });
    expect(new OutcomeError('rejected', 'No').details).toEqual({});
  });

  it('cuts its message to 500 characters', () => {
    expect(new OutcomeError('rejected', 'x'.repeat(500)).message).toBe('x'.repeat(500));
    expect(new OutcomeError('rejected', 'x'.repeat(501)).message).toBe(`${'x'.repeat(497)}...`);
  });
});
