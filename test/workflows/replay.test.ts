import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installQuietRuntime, replayHistory } from '../../cli/replay.ts';
import { testEndpoints } from '../support/endpoints.ts';
import { historiesFolder } from '../support/histories.ts';

const files = (await readdir(historiesFolder)).filter((file) => file.endsWith('.json'));
const historyOf = (file: string) => readFile(join(historiesFolder, file), 'utf8');
const { workflowBundlePath: bundlePath } = testEndpoints();

beforeAll(() => installQuietRuntime());

/** Every shape of a post's life, of what follows it, of its removal and of its amendment, that released code has left sleeping somewhere. */
const shapes = [
  'text-approved-published',
  'carousel-approved-published',
  'rejected-at-content',
  'rejected-at-design',
  'rejected-at-publish',
  'unapproved-and-approved-again',
  'edited-asleep',
  'rescheduled',
  'cancelled',
  'published-now',
  'refused-and-retried',
  'continued-as-new',
  'parts-published',
  'parts-refused',
  'parts-retried',
  'parts-before-rounds-published',
  'parts-before-rounds-refused',
  'removed',
  'removal-refused',
  'removal-in-doubt',
  'removal-given-up',
  'amended',
  'amendment-refused',
];

test('the committed histories hold every shape', () => {
  expect(files).toEqual(expect.arrayContaining(shapes.map((shape) => `${shape}.json`)));
});

test.each(files)('%s replays', async (file) => {
  expect(await replayHistory(await historyOf(file), { bundlePath })).toBeNull();
});

describe('the check bites', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gatepost-bundle-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** The present workflow code with one change planted in it. */
  const plant = async (from: RegExp, to: string): Promise<string> => {
    const code = await readFile(bundlePath, 'utf8');
    const planted = code.replace(from, to);
    expect(planted).not.toBe(code);
    const path = join(folder, 'planted.js');
    await writeFile(path, planted);
    return path;
  };

  test('when two activities change places', async () => {
    const planted = await plant(/const \{ armTarget \}/, 'const { releaseTarget: armTarget }');
    const history = await historyOf('text-approved-published.json');
    expect(await replayHistory(history, { bundlePath: planted })).toMatch(/nondeterminism/i);
  });

  test('when a projection is left out', async () => {
    const planted = await plant(
      /\(0, *\w+\.project\)\(/,
      '(() => Promise.resolve({ policyVersion: 1, holdIds: [] }))(',
    );
    const history = await historyOf('text-approved-published.json');
    expect(await replayHistory(history, { bundlePath: planted })).toMatch(/nondeterminism/i);
  });

  test('when what follows a post ends without a word', async () => {
    const planted = await plant(/\(0, *\w+\.endPartRound\)\(/, '(() => Promise.resolve())(');
    const history = await historyOf('parts-retried.json');
    expect(await replayHistory(history, { bundlePath: planted })).toMatch(/nondeterminism/i);
  });

  test('when rounds of parts end in old histories, too', async () => {
    const planted = await plant(
      /\(0, *\w+\.patched\)\("part-rounds"\)|\(0, *\w+\.patched\)\('part-rounds'\)/,
      'true',
    );
    const history = await historyOf('parts-before-rounds-published.json');
    expect(await replayHistory(history, { bundlePath: planted })).toMatch(/nondeterminism/i);
  });

  test('when a removal is not tried', async () => {
    const planted = await plant(/\(0, *\w+\.removePublication\)\(/, '(() => Promise.resolve())(');
    const history = await historyOf('removed.json');
    expect(await replayHistory(history, { bundlePath: planted })).toMatch(/nondeterminism/i);
  });

  test('when the file is no history, or still encrypted', async () => {
    expect(await replayHistory('{"events":[]}', { bundlePath })).toMatch(/no workflow history/);
    const encrypted = JSON.parse(await historyOf('cancelled.json'));
    const [payload] = encrypted.events[0].workflowExecutionStartedEventAttributes.input.payloads;
    payload.metadata.encoding = Buffer.from('binary/encrypted').toString('base64');
    expect(await replayHistory(JSON.stringify(encrypted), { bundlePath })).toMatch(/encrypted/);
  });
});
