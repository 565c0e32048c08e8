import { meaningOfFailedCommit } from '../../../domain/outcome.ts';
import type { FaultInput, FaultKind } from '../../../sandbox/faults.ts';
import { fixtures } from './fixtures/index.ts';
import { bringOut, type Cell, cells, type Ending, failureOf, openStage, type Stage } from './stage.ts';

/**
 * What a platform can do to the call that publishes, and how each ends: by its own proof where it can be asked, as a
 * person's matter where it cannot. Nothing goes out twice, whatever happens.
 */

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.stop());
afterEach(() => stage.control('DELETE', 'faults'));

interface Case {
  readonly fault: { readonly kind: FaultKind } & Partial<FaultInput>;
  /** Whether the platform has taken it. */
  readonly isTaken: boolean;
  readonly ending: Ending;
}
const unknown = (kind: FaultKind, isTaken: boolean, fields: Partial<FaultInput> = {}): Case => ({
  fault: { kind, ...fields },
  isTaken,
  ending: 'published',
});
const cases: readonly (readonly [string, Case])[] = [
  ['hangs', unknown('hang', false)],
  ['takes it and hangs', unknown('hang-after-accept', true)],
  ['breaks the connection', unknown('reset-before-accept', false)],
  ['takes it and breaks the connection', unknown('accept-then-reset', true)],
  ['fails with 500', unknown('error-before-accept', false, { status: 500 })],
  ['fails with 503', unknown('error-before-accept', false, { status: 503 })],
  ['takes it and fails with 502', unknown('error-after-accept', true, { status: 502 })],
  ['answers a page', unknown('html', false)],
  ['takes it and answers a page', unknown('html', true, { when: 'after', status: 200 })],
  ['takes it and answers half', unknown('truncated-json', true)],
  ['is slow', { fault: { kind: 'delay', ms: 150 }, isTaken: true, ending: 'published' }],
  [
    'throttles and says when',
    { fault: { kind: 'throttle', retryAfterSeconds: 120 }, isTaken: false, ending: 'waits' },
  ],
  ['throttles and does not say when', { fault: { kind: 'throttle' }, isTaken: false, ending: 'waits' }],
  ['finds the token expired', { fault: { kind: 'expired-token' }, isTaken: false, ending: 'waits' }],
  ['refuses', { fault: { kind: 'refuse' }, isTaken: false, ending: 'refused' }],
];

const callOf = ({ platform, type }: Cell): string => fixtures[platform].commitOperation(type);

/** What fails is the call, so of the types that share one the first and the last are enough. */
const tested: readonly Cell[] = cells.filter((cell, index) => {
  const isAlike = (other: Cell): boolean =>
    other.platform === cell.platform && other.kind === cell.kind && callOf(other) === callOf(cell);
  return !cells.slice(0, index).some(isAlike) || !cells.slice(index + 1).some(isAlike);
});

describe.each(tested.map((cell) => [cell.platform, cell.kind, cell.type, cell] as const))(
  '%s %s %s',
  (platform, _kind, type, cell) => {
    const possible = cases.filter(([, { fault }]) => !fixtures[platform].impossible?.[fault.kind]);

    it.each(possible)('%s', async (what, { fault, isTaken, ending }) => {
      const content = stage.contentOf(cell, `${what} ${type}`);
      const before = await stage.ledgerOf(cell);
      await stage.fail(cell, { ...fault, operation: fixtures[platform].commitOperation(type) });
      const ended = await bringOut(stage, cell, content);
      // A story may have no text: what is new counts, whatever it says.
      const entries = (await stage.ledgerOf(cell)).slice(before.length);
      const isProvable = isTaken || !fixtures[platform].unprovable?.(type);
      const canTell = stage.adapterOf(cell).finder !== undefined && isProvable;
      const isCertain = fault.kind === 'delay' || ending !== 'published';
      expect(ended).toBe(canTell || isCertain ? ending : 'unconfirmed');
      const goesOut = ended === 'published' || (ended === 'unconfirmed' && isTaken);
      expect(entries).toHaveLength(goesOut ? 1 : 0);
    });
  },
);

describe.each(tested.map((cell) => [cell.platform, cell.kind, cell.type, cell] as const))(
  '%s %s %s',
  (platform, _kind, type, cell) => {
    it('says how long to wait, and that nothing was taken, when it is throttled', async () => {
      const content = stage.contentOf(cell, `how long ${type}`);
      const handle = await stage.prepare(cell, content);
      const operation = fixtures[platform].commitOperation(type);
      await stage.fail(cell, { operation, kind: 'throttle', retryAfterSeconds: 120 });
      const failure = await failureOf(stage.commit(cell, content, handle));
      expect(failure).toMatchObject({ code: 'rate-limited' });
      expect(meaningOfFailedCommit(failure!.code, failure!.details)).toBe('not-sent');
      expect(failure!.details.retryAfterMs).toBeGreaterThanOrEqual(60_000);
    });

    it('never shows a token in its errors', async () => {
      const content = stage.contentOf(cell, `tokens ${type}`);
      const handle = await stage.prepare(cell, content);
      const operation = fixtures[platform].commitOperation(type);
      const { accessToken } = stage.accountOf(cell);
      await stage.fail(cell, { operation, kind: 'refuse', message: `Refused with ${accessToken}` });
      const failure = await failureOf(stage.commit(cell, content, handle));
      expect(failure).not.toBeNull();
      expect(`${failure!.message} ${JSON.stringify(failure!.details)}`).not.toContain(accessToken);
    });
  },
);
