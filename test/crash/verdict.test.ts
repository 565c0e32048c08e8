import { byProof } from './outlets.ts';
import { judge, type PostFacts } from './verdict.ts';

/** A post that went out once, a moment after its due time. */
const sound: PostFacts = {
  ...{ outlet: byProof[1]!, canBeAsked: true, point: 'sending', way: 'parked' },
  ...{ status: 'PUBLISHED', rows: 1, commits: 1 },
  ledger: [{ publicId: 'urn:1', latenessMs: 12 }],
  target: { phase: 'PUBLISHED', publicId: 'urn:1' },
  publication: { state: 'PUBLISHED', publicId: 'urn:1' },
  runPhase: 'PUBLISHED',
  ...{ isEnded: false, settledAfterSeconds: 3, replay: null, projection: [] },
};
const unconfirmed: PostFacts = {
  ...sound,
  ...{ outlet: byProof[2]!, canBeAsked: false, status: 'UNCONFIRMED', runPhase: 'UNCONFIRMED' },
  target: { phase: 'UNCONFIRMED', publicId: null },
  publication: { state: 'UNCONFIRMED', publicId: null },
};
const ended: PostFacts = {
  ...sound,
  ...{ point: 'armed', isEnded: true, status: 'FAILED', runPhase: 'ARMING', commits: 0, ledger: [] },
  target: { phase: 'FAILED', publicId: null },
  publication: { state: 'DISARMED', publicId: null },
};

const kindsIn = (facts: PostFacts) => judge(facts).map(({ kind }) => kind);

test.each<[string, PostFacts]>([
  ['a post that went out once', sound],
  ['a member post that nobody can tell of, and was not sent', { ...unconfirmed, ledger: [] }],
  ['a member post that nobody can tell of, and was sent', unconfirmed],
  [
    'a member post whose sender came back with its receipt',
    { ...unconfirmed, publication: { state: 'PUBLISHED', publicId: 'urn:1' } },
  ],
  ['a post that an operator ended before it was sent', ended],
])('finds nothing wrong with %s', (_, facts) => {
  expect(judge(facts)).toEqual([]);
});

const twice = [...sound.ledger, { publicId: 'urn:2', latenessMs: 900 }];

test.each<[string, PostFacts, string[]]>([
  ['a second commit', { ...sound, ledger: twice, commits: 2 }, ['duplicate']],
  [
    'a second commit of a member post',
    { ...unconfirmed, ledger: twice, commits: 2 },
    ['duplicate', 'sent-blindly'],
  ],
  ['a blind second call that the platform refused', { ...unconfirmed, commits: 2 }, ['sent-blindly']],
  ['a second post by one request', { ...sound, rows: 2 }, ['duplicate']],
  ['a post said to be out that is not', { ...sound, ledger: [] }, ['lost', 'untrue', 'untrue']],
  ['a lost receipt', { ...sound, publication: { state: 'PUBLISHED', publicId: null } }, ['untrue']],
  ["another post's receipt", { ...sound, target: { phase: 'PUBLISHED', publicId: 'urn:9' } }, ['untrue']],
  ['doubt where the platform can be asked', { ...unconfirmed, canBeAsked: true }, ['lost']],
  ['doubt before anything was sent', { ...unconfirmed, point: 'armed', ledger: [] }, ['lost']],
  ['doubt after the receipt was written', { ...unconfirmed, point: 'receipt-committed' }, ['lost']],
  ['rows that the histories do not come to', { ...sound, projection: ['post.status'] }, ['stale-projection']],
  ['an outcome that came too late', { ...sound, settledAfterSeconds: 61 }, ['stuck']],
  ['no outcome', { ...sound, settledAfterSeconds: null }, ['stuck']],
  ['a post that was out early', { ...sound, ledger: [{ publicId: 'urn:1', latenessMs: -1 }] }, ['early']],
  ['a run that says something else than its row', { ...sound, runPhase: 'ARMING' }, ['untrue']],
  [
    'a publication that says something else',
    { ...sound, publication: { state: 'UNKNOWN', publicId: 'urn:1' } },
    ['untrue'],
  ],
  [
    'a late receipt of nothing',
    { ...unconfirmed, ledger: [], publication: { state: 'PUBLISHED', publicId: 'urn:1' } },
    ['untrue'],
  ],
  ['a post said to have failed that is out', { ...ended, ledger: sound.ledger }, ['lost']],
  ['a post that failed by itself', { ...ended, isEnded: false }, ['lost', 'untrue', 'untrue']],
  ['a history that does not replay', { ...sound, replay: 'a nondeterminism error' }, ['unreplayable']],
])('finds %s', (_, facts, expected) => {
  expect(kindsIn(facts)).toEqual(expected);
});
