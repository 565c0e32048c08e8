import { type PartFacts, type PartState, partStateOf, whatToSendAgain } from '../../domain/parts.ts';
import { publicationStates } from '../../domain/publication.ts';

/** By the row: in the round that is under way, in one before it, and once the round has ended with the part refused. */
const table = {
  ARMED: ['WAITING', 'WAITING', 'FAILED'],
  DISARMED: ['WAITING', 'WAITING', 'FAILED'],
  SENDING: ['SENDING', 'SENDING', 'UNCONFIRMED'],
  NOT_SENT: ['WAITING', 'WAITING', 'FAILED'],
  UNKNOWN: ['SENDING', 'SENDING', 'UNCONFIRMED'],
  PUBLISHED: ['PUBLISHED', 'PUBLISHED', 'PUBLISHED'],
  REFUSED: ['FAILED', 'WAITING', 'FAILED'],
  UNCONFIRMED: ['UNCONFIRMED', 'UNCONFIRMED', 'UNCONFIRMED'],
} as const;

test.each(publicationStates)('a part whose row is %s stands where row and round say', (state) => {
  expect([
    partStateOf({ state, isOfRound: true }, null),
    partStateOf({ state, isOfRound: false }, null),
    partStateOf({ state, isOfRound: true }, 'refused'),
  ]).toEqual(table[state]);
});

test('a part without a row waits for its turn, was left out, or has failed', () => {
  expect(partStateOf(null, null)).toBe('WAITING');
  expect(partStateOf(null, 'left-out')).toBe('LEFT_OUT');
  expect(partStateOf(null, 'refused')).toBe('FAILED');
});

const thread = (...states: PartState[]): PartFacts[] =>
  states.map((state, index) => ({ part: index + 1, kind: 'thread', state }));
const comment = (part: number, state: PartState): PartFacts => ({ part, kind: 'first-comment', state });

test('sends again what failed and what was left out behind it, and nothing else', () => {
  const parts = [...thread('PUBLISHED', 'FAILED', 'LEFT_OUT'), comment(4, 'PUBLISHED')];
  expect(whatToSendAgain(parts, true)).toEqual({ parts: [2, 3], inDoubt: [] });
  expect(whatToSendAgain(thread('PUBLISHED', 'WAITING', 'SENDING'), true)).toEqual({
    parts: [],
    inDoubt: [],
  });
});

test('looks into doubt where the platform can be asked, and stops a thread at it where not', () => {
  const parts = [...thread('UNCONFIRMED', 'LEFT_OUT'), comment(3, 'FAILED')];
  expect(whatToSendAgain(parts, true)).toEqual({ parts: [1, 2, 3], inDoubt: [] });
  expect(whatToSendAgain(parts, false)).toEqual({ parts: [3], inDoubt: [1] });
});
