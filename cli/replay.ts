import type { Payload, PayloadCodec } from '@temporalio/common';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import type { temporal } from '@temporalio/proto';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { failureConverterPath } from './failure-converter.ts';

type History = temporal.api.history.v1.IHistory;

export interface ReplayOptions {
  /** The workflow code: a prebuilt bundle's path. */
  readonly bundlePath: string;
  /** Opens encrypted payloads; without it only decoded histories can be replayed. */
  readonly codec?: PayloadCodec;
}

/**
 * Replays one history against the present workflow code. Answers `null` when it replays, else what differs.
 * Takes the JSON of the Web UI's download and of `temporal workflow show --output json`.
 */
export async function replayHistory(text: string, options: ReplayOptions): Promise<string | null> {
  const history = parseHistory(text);
  const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
  if (!started) return 'The file holds no workflow history: its first event is not WorkflowExecutionStarted';
  if (options.codec) await decodeHistory(history, options.codec);
  if (findEncrypted(history))
    return 'Its payloads are encrypted: download it with decoding switched on, or replay it while the local stack runs';
  const results = Worker.runReplayHistories(
    {
      workflowBundle: { codePath: options.bundlePath },
      dataConverter: { failureConverterPath },
      // In a context of its own: with the shared one, the SDK takes an open run that is replayed beside the worker that
      // has it for the worker's.
      reuseV8Context: false,
    },
    [{ workflowId: started.workflowId ?? 'post/replayed', history }],
  );
  for await (const { error } of results) if (error) return error.message;
  return null;
}

function parseHistory(text: string): History {
  const parsed: unknown = JSON.parse(text);
  // The Web UI wraps nothing; some exports put the history under a key of that name.
  const inner = parsed && typeof parsed === 'object' && 'history' in parsed ? parsed.history : parsed;
  return historyFromJSON(Array.isArray(inner) ? { events: inner } : inner);
}

/** Opens every payload of a history in place, wherever it stands: inputs, results, failures, summaries, markers. */
export async function decodeHistory(history: History, codec: PayloadCodec): Promise<void> {
  for (const payload of payloadsOf(history)) {
    const [decoded] = await codec.decode([payload]);
    payload.metadata = decoded!.metadata;
    payload.data = decoded!.data;
  }
}

const findEncrypted = (history: History): boolean => [...payloadsOf(history)].some(isEncrypted);

const isEncrypted = (payload: Payload): boolean =>
  Buffer.from(payload.metadata?.encoding ?? []).toString() === 'binary/encrypted';

/** A payload is what has `metadata` with an encoding; protobuf objects are walked without knowing their types. */
function* payloadsOf(value: unknown): Generator<{ -readonly [Key in keyof Payload]: Payload[Key] }> {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return;
  const candidate = value as Payload;
  if (candidate.metadata?.encoding instanceof Uint8Array) yield candidate;
  else for (const inner of Object.values(value)) yield* payloadsOf(inner);
}

/** The replayer is a worker of its own: its chatter is not for the person who replays. */
export function installQuietRuntime(): void {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: 'ERROR', forward: {} } },
  });
}
