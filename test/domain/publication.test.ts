import {
  exclusiveStates,
  findTriesBeforeUnconfirmed,
  movePublication,
  notSentBackoffSeconds,
  type PublicationEvent,
  type PublicationFacts,
  type PublicationMove,
  publicationStates,
  readsThatProveAbsence,
  sendDeadlineMs,
} from '../../domain/publication.ts';
import { deepFreeze } from './builders.ts';

/** Every row of the table starts in cycle 2 with fence 7, held by `mine`, never asked about. */
const start = { cycle: 2, fence: 7, holder: 'mine', absentReads: 0, findTries: 0 };
const arm = (holder: string, cycle: number): PublicationEvent => ({ kind: 'arm', holder, cycle });
const ask = (holder: string, cycle: number): PublicationEvent => ({
  ...{ kind: 'arm', holder, cycle },
  asksFirst: true,
});
const release = (fence: number, matches: boolean): PublicationEvent => ({ kind: 'release', fence, matches });

/** The events by their name in the table, with what they meet where that makes a difference. */
const events: Record<string, { event: PublicationEvent; row?: Partial<PublicationFacts> }> = {
  arm: { event: arm('mine', 2) },
  'arm by another': { event: arm('other', 2) },
  'arm, next cycle': { event: arm('mine', 3) },
  'arm by another, next cycle': { event: arm('other', 3) },
  'arm by another, past cycle': { event: arm('other', 1) },
  'arm, asks first': { event: ask('mine', 2) },
  'arm, asks, next cycle': { event: ask('mine', 3) },
  disarm: { event: { kind: 'disarm' } },
  release: { event: release(7, true) },
  'release, no match': { event: release(7, false) },
  'release, lower fence': { event: release(6, true) },
  'release, higher fence': { event: release(8, true) },
  'release, old and no match': { event: release(6, false) },
  accepted: { event: { kind: 'accepted' } },
  'failed: refused': { event: { kind: 'failed', meaning: 'refused' } },
  'failed: not sent': { event: { kind: 'failed', meaning: 'not-sent' } },
  'failed: unknown': { event: { kind: 'failed', meaning: 'unknown' } },
  'sender lost': { event: { kind: 'sender-lost' } },
  found: { event: { kind: 'found' } },
  'found, refused': { event: { kind: 'found-refused' } },
  'absent, unused handle': { event: { kind: 'absent', proof: 'single-use-handle' } },
  'absent, first read': { event: { kind: 'absent', proof: 'read' } },
  'absent, second read': { event: { kind: 'absent', proof: 'read' }, row: { absentReads: 1 } },
  'cannot tell': { event: { kind: 'cannot-tell', final: false } },
  'cannot tell, fourth': { event: { kind: 'cannot-tell', final: false }, row: { findTries: 3 } },
  'cannot tell, fifth': { event: { kind: 'cannot-tell', final: false }, row: { findTries: 4 } },
  'cannot tell, ever': { event: { kind: 'cannot-tell', final: true } },
  'resolved: published': { event: { kind: 'resolved', resolution: 'published' } },
  'resolved: absent': { event: { kind: 'resolved', resolution: 'absent' } },
};

/**
 * The whole table. `ARMED 8`: moves there with fence 8; `+` in a new cycle. `=`: stays, with the counter it raises.
 * What begins with `!` is refused: !sending already-publishing, !out already-published, !ask needs-reconcile,
 * !person needs-person, !old superseded, !armed not-armed, !sent not-sending, !known not-unknown,
 * !sure not-unconfirmed.
 */
const table = `
event                      | none    | ARMED      | DISARMED | SENDING       | NOT_SENT    | UNKNOWN       | PUBLISHED | REFUSED  | UNCONFIRMED
arm                        | ARMED 1 | =          | ARMED 8  | !ask          | ARMED 8     | !ask          | !out      | !person  | !person
arm by another             | ARMED 1 | ARMED 8    | ARMED 8  | !ask          | ARMED 8     | !ask          | !out      | !person  | !person
arm, next cycle            | ARMED 1 | =          | ARMED 8+ | !ask          | ARMED 8+    | !ask          | !out      | ARMED 8+ | ARMED 8+
arm by another, next cycle | ARMED 1 | ARMED 8    | ARMED 8+ | !ask          | ARMED 8+    | !ask          | !out      | ARMED 8+ | ARMED 8+
arm by another, past cycle | ARMED 1 | ARMED 8    | ARMED 8  | !ask          | ARMED 8     | !ask          | !out      | !person  | !person
arm, asks first            | ARMED 1 | =          | ARMED 8  | !ask          | ARMED 8     | !ask          | !out      | !person  | !person
arm, asks, next cycle      | ARMED 1 | =          | ARMED 8+ | !ask          | ARMED 8+    | !ask          | !out      | ARMED 8+ | UNKNOWN 7
disarm                     | =       | DISARMED 8 | =        | !sending      | =           | !sending      | !out      | =        | =
release                    | !armed  | SENDING 7  | !armed   | !armed        | !armed      | !armed        | !out      | !armed   | !armed
release, no match          | !armed  | DISARMED 8 | !armed   | !armed        | !armed      | !armed        | !out      | !armed   | !armed
release, lower fence       | !armed  | !old       | !armed   | !armed        | !armed      | !armed        | !out      | !armed   | !armed
release, higher fence      | !armed  | !old       | !armed   | !armed        | !armed      | !armed        | !out      | !armed   | !armed
release, old and no match  | !armed  | !old       | !armed   | !armed        | !armed      | !armed        | !out      | !armed   | !armed
accepted                   | !sent   | !sent      | !sent    | PUBLISHED 7   | PUBLISHED 7 | PUBLISHED 7   | !out      | !sent    | PUBLISHED 7
failed: refused            | !sent   | !sent      | !sent    | REFUSED 7     | !sent       | !sent         | !out      | !sent    | !sent
failed: not sent           | !sent   | !sent      | !sent    | NOT_SENT 7    | !sent       | !sent         | !out      | !sent    | !sent
failed: unknown            | !sent   | !sent      | !sent    | UNKNOWN 7     | !sent       | !sent         | !out      | !sent    | !sent
sender lost                | !sent   | !sent      | !sent    | UNKNOWN 7     | !sent       | !sent         | !out      | !sent    | !sent
found                      | !known  | !known     | !known   | !known        | !known      | PUBLISHED 7   | !out      | !known   | !known
found, refused             | !known  | !known     | !known   | !known        | !known      | REFUSED 7     | !out      | !known   | !known
absent, unused handle      | !known  | !known     | !known   | !known        | !known      | NOT_SENT 7    | !out      | !known   | !known
absent, first read         | !known  | !known     | !known   | !known        | !known      | = reads 1     | !out      | !known   | !known
absent, second read        | !known  | !known     | !known   | !known        | !known      | NOT_SENT 7    | !out      | !known   | !known
cannot tell                | !known  | !known     | !known   | !known        | !known      | = tries 1     | !out      | !known   | !known
cannot tell, fourth        | !known  | !known     | !known   | !known        | !known      | = tries 4     | !out      | !known   | !known
cannot tell, fifth         | !known  | !known     | !known   | !known        | !known      | UNCONFIRMED 7 | !out      | !known   | !known
cannot tell, ever          | !known  | !known     | !known   | !known        | !known      | UNCONFIRMED 7 | !out      | !known   | !known
resolved: published        | !sure   | !sure      | PUBLISHED 7 | !sure      | PUBLISHED 7 | PUBLISHED 7   | !out      | !sure    | PUBLISHED 7
resolved: absent           | !sure   | !sure      | REFUSED 7 | !sure        | REFUSED 7   | REFUSED 7     | !out      | !sure    | REFUSED 7
`;

const [heading, ...lines] = table
  .trim()
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()));
const states = heading!.slice(1);
const cells = lines.flatMap(([name, ...moves]) =>
  moves.map((move, column) => [name!, states[column]!, move] as const),
);

const refusals = {
  '!sending': 'already-publishing',
  '!out': 'already-published',
  '!ask': 'needs-reconcile',
  '!person': 'needs-person',
  '!old': 'superseded',
  '!armed': 'not-armed',
  '!sent': 'not-sending',
  '!known': 'not-unknown',
  '!sure': 'not-unconfirmed',
};

/** The move that a cell of the table means. */
function moveOf(cell: string): unknown {
  if (cell.startsWith('!')) return { kind: 'refused', reason: refusals[cell as keyof typeof refusals] };
  if (cell === '=') return { kind: 'stay' };
  const [state, number] = cell.replace('+', '').split(' ').slice(-2) as [string, string];
  if (cell.startsWith('='))
    return { kind: 'stay', [{ reads: 'absentReads', tries: 'findTries' }[state]!]: Number(number) };
  return { kind: 'to', state, fence: Number(number), ...(cell.endsWith('+') && { newCycle: true }) };
}

describe('the table of the publication row', () => {
  it('has a column for every state and for no row at all, and every event in all of them', () => {
    expect([...states].sort()).toEqual(['none', ...publicationStates].sort());
    expect(lines.map(([name]) => name)).toEqual(Object.keys(events));
    expect(cells).toHaveLength(29 * 9);
  });

  it.each(cells)('%s in %s: %s', (name, state, cell) => {
    const { event, row } = events[name]!;
    const facts = state === 'none' ? null : ({ ...start, ...row, state } as PublicationFacts);
    expect(movePublication(deepFreeze(facts), deepFreeze(event))).toEqual(moveOf(cell));
  });

  it('stops at an event, a state or a meaning it does not know', () => {
    const row = { ...start, state: 'ARMED' } as const;
    const unknownRow = { ...start, state: 'LOST' } as unknown as PublicationFacts;
    const burn = { kind: 'burn' } as unknown as PublicationEvent;
    const maybe = { kind: 'failed', meaning: 'maybe' } as unknown as PublicationEvent;
    expect(() => movePublication(row, burn)).toThrow('Unknown publication event: {"kind":"burn"}');
    expect(() => movePublication(unknownRow, arm('mine', 2))).toThrow('Unknown publication state: "LOST"');
    expect(() => movePublication(unknownRow, { kind: 'disarm' })).toThrow(
      'Unknown publication state: "LOST"',
    );
    expect(() => movePublication({ ...row, state: 'SENDING' }, maybe)).toThrow(
      'Unknown meaning of a failed commit: "maybe"',
    );
  });

  it('names the states of which a target can have one row only, and the numbers of the protocol', () => {
    expect(exclusiveStates).toEqual(['ARMED', 'SENDING', 'UNKNOWN', 'PUBLISHED']);
    expect({ readsThatProveAbsence, findTriesBeforeUnconfirmed, sendDeadlineMs }).toEqual({
      readsThatProveAbsence: 2,
      findTriesBeforeUnconfirmed: 5,
      sendDeadlineMs: 2_000,
    });
    expect(notSentBackoffSeconds).toEqual([1, 2, 4]);
  });
});

/**
 * What the world knows, kept apart from the row: whether something may be public, and what has been seen of it since.
 */
interface World {
  readonly row: PublicationFacts | null;
  readonly mayBeOut: boolean;
  readonly readsSinceSend: number;
  readonly lastSentFence: number;
  readonly sends: number;
}
interface Step {
  readonly before: World;
  readonly event: PublicationEvent;
  readonly move: PublicationMove;
  readonly after: World;
}

function possibleEvents(row: PublicationFacts | null): PublicationEvent[] {
  const cycle = row?.cycle ?? 1;
  const fence = row?.fence ?? 1;
  return [
    arm('mine', cycle),
    arm('other', cycle),
    ...(cycle < 3 ? [arm('mine', cycle + 1), arm('other', cycle + 1)] : []),
    { kind: 'disarm' },
    release(fence, true),
    release(fence, false),
    release(fence - 1, true),
    { kind: 'accepted' },
    { kind: 'failed', meaning: 'refused' },
    { kind: 'failed', meaning: 'not-sent' },
    { kind: 'failed', meaning: 'unknown' },
    { kind: 'sender-lost' },
    { kind: 'found' },
    { kind: 'absent', proof: 'single-use-handle' },
    { kind: 'absent', proof: 'read' },
    { kind: 'cannot-tell', final: false },
    { kind: 'cannot-tell', final: true },
  ];
}

/** The row as the database keeps it after a move: arming starts the counters anew and names the holder. */
function rowAfter(row: PublicationFacts | null, event: PublicationEvent, move: PublicationMove) {
  if (move.kind === 'refused' || (row === null && move.kind === 'stay')) return row;
  if (move.kind === 'stay')
    return {
      ...row!,
      absentReads: move.absentReads ?? row!.absentReads,
      findTries: move.findTries ?? row!.findTries,
    };
  const { state, fence } = move;
  if (event.kind !== 'arm') return { ...row!, state, fence, holder: null };
  const cycle = row === null || move.newCycle ? event.cycle : row.cycle;
  return { state, fence, cycle, holder: event.holder, absentReads: 0, findTries: 0 };
}

function worldAfter(world: World, event: PublicationEvent, move: PublicationMove): World {
  const row = rowAfter(world.row, event, move);
  if (move.kind === 'refused') return world;
  if (move.kind === 'to' && move.state === 'SENDING')
    return { row, mayBeOut: true, readsSinceSend: 0, lastSentFence: move.fence, sends: world.sends + 1 };
  const readsSinceSend = world.readsSinceSend + (event.kind === 'absent' && event.proof === 'read' ? 1 : 0);
  const disproved =
    (event.kind === 'failed' && event.meaning !== 'unknown') ||
    (event.kind === 'absent' && (event.proof === 'single-use-handle' || readsSinceSend >= 2)) ||
    // A person looked, found nothing and had it sent again: nobody else mints a cycle.
    (event.kind === 'arm' && world.row?.state === 'UNCONFIRMED' && event.cycle > world.row.cycle);
  return { ...world, row, readsSinceSend, mayBeOut: world.mayBeOut && !disproved };
}

/** Every step that can be taken within so many events, each from each world that can be reached. */
function walk(depth: number): Step[] {
  const steps: Step[] = [];
  const seen = new Set<string>();
  let frontier: World[] = [{ row: null, mayBeOut: false, readsSinceSend: 0, lastSentFence: 0, sends: 0 }];
  for (let length = 1; length <= depth; length += 1) {
    const fresh = frontier.flatMap((before) =>
      possibleEvents(before.row).map((event) => {
        const move = movePublication(deepFreeze(before.row), event);
        const step = { before, event, move, after: worldAfter(before, event, move) };
        steps.push(step);
        return step.after;
      }),
    );
    frontier = fresh.filter((world) => {
      const key = JSON.stringify(world);
      return !seen.has(key) && seen.add(key);
    });
  }
  return steps;
}

describe('every sequence of up to ten events', () => {
  const steps = walk(10);
  const violations = (holds: (step: Step) => boolean) => steps.filter((step) => !holds(step)).slice(0, 3);
  const isSend = ({ move }: Step) => move.kind === 'to' && move.state === 'SENDING';

  it('reaches every state and sends more than once', () => {
    expect(new Set(steps.map(({ after }) => after.row?.state))).toEqual(
      new Set([undefined, ...publicationStates]),
    );
    expect(Math.max(...steps.map(({ after }) => after.sends))).toBeGreaterThanOrEqual(3);
  });

  it('never sends while what was sent before may be out', () => {
    expect(violations((step) => !isSend(step) || !step.before.mayBeOut)).toEqual([]);
  });

  it('never sends twice under one fence, nor under one that has been overtaken', () => {
    const isFresh = ({ before, event }: Step) =>
      event.kind === 'release' && event.fence === before.row?.fence && event.fence > before.lastSentFence;
    expect(violations((step) => !isSend(step) || isFresh(step))).toEqual([]);
  });

  it('never leaves PUBLISHED', () => {
    const published = steps.filter(({ before }) => before.row?.state === 'PUBLISHED');
    expect(published.length).toBeGreaterThan(100);
    expect(published.filter(({ move }) => move.kind !== 'refused')).toEqual([]);
  });

  it('never calls published what nobody had sent', () => {
    const isProven = ({ before }: Step) => before.sends > 0;
    expect(violations((step) => step.after.row?.state !== 'PUBLISHED' || isProven(step))).toEqual([]);
  });

  it('never lowers the fence, and raises it whenever a row is armed or disarmed', () => {
    expect(violations(({ before, after }) => (after.row?.fence ?? 0) >= (before.row?.fence ?? 0))).toEqual(
      [],
    );
    const raises = ({ before, move }: Step) =>
      move.kind !== 'to' || !/ARMED/.test(move.state) || move.fence === (before.row?.fence ?? 0) + 1;
    expect(violations(raises)).toEqual([]);
  });

  it('never leaves SENDING or UNKNOWN by a command', () => {
    const commands = ['arm', 'disarm', 'release'];
    const isOnItsWay = ({ row }: World) => row?.state === 'SENDING' || row?.state === 'UNKNOWN';
    expect(
      violations(
        ({ before, event, move }) =>
          !isOnItsWay(before) || !commands.includes(event.kind) || move.kind === 'refused',
      ),
    ).toEqual([]);
  });

  it('never believes a row idle while what it sent may be out', () => {
    const idle = ['ARMED', 'DISARMED', 'NOT_SENT', 'REFUSED'];
    expect(violations(({ after }) => !after.mayBeOut || !idle.includes(after.row?.state ?? ''))).toEqual([]);
  });

  it('starts a new cycle only after a person could have asked for one', () => {
    const isNew = ({ move }: Step) => move.kind === 'to' && move.newCycle === true;
    const asked = ({ before, event }: Step) => event.kind === 'arm' && event.cycle > (before.row?.cycle ?? 0);
    expect(violations((step) => !isNew(step) || asked(step))).toEqual([]);
  });
});
