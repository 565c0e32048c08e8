import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  type OperationName,
  operationNames,
  type Platform,
  platforms,
  sandboxPlatforms,
} from './platforms/index.ts';

/** What can go wrong. README.md says what each does. */
export const faultKinds = [
  'refuse',
  'throttle',
  'expired-token',
  'hang',
  'reset-before-accept',
  'error-before-accept',
  'delay',
  'hang-after-accept',
  'accept-then-reset',
  'error-after-accept',
  'html',
  'truncated-json',
  'slow-container',
  'slow-upload-processing',
  'failed-processing',
] as const;
export type FaultKind = (typeof faultKinds)[number];

const processingKinds = ['slow-container', 'slow-upload-processing', 'failed-processing'] as const;
const isProcessing = (kind: FaultKind): boolean => processingKinds.some((one) => one === kind);

/** The calls of an operation's own platform that a fault of processing goes with. */
function processingOperations(kind: FaultKind, operation: string): readonly string[] {
  const platform = platforms.find((name) => operation.startsWith(`${name}.`));
  return (platform && sandboxPlatforms[platform].processing[kind]) ?? [];
}

const kindsWithTime: FaultKind[] = ['delay', 'slow-container', 'slow-upload-processing'];

/** What `POST /_control/faults` takes. */
export const faultInputSchema = z
  .strictObject({
    platform: z.enum(platforms).optional(),
    operation: z.enum(operationNames as [OperationName, ...OperationName[]]),
    /** Default: every account. */
    externalId: z.string().optional(),
    kind: z.enum(faultKinds),
    /** How many calls it hits. */
    times: z.union([z.number().int().min(1), z.literal('always')]).default(1),
    /** How many matching calls pass before. */
    after: z.number().int().min(0).default(0),
    ms: z.number().int().min(0).optional(),
    /** HTTP status of the answer, where the kind has one. */
    status: z.number().int().min(200).max(599).optional(),
    code: z.union([z.string(), z.number().int()]).optional(),
    subcode: z.number().int().optional(),
    message: z.string().optional(),
    retryAfterSeconds: z.number().int().min(0).optional(),
    /** `html`: before the call is carried out (default) or after. */
    when: z.enum(['before', 'after']).default('before'),
  })
  .superRefine((fault, context) => {
    const { platform, operation, kind, ms } = fault;
    if (platform && !operation.startsWith(`${platform}.`)) {
      context.addIssue(`${operation} is no operation of ${platform}`);
    }
    const allowed = processingOperations(kind, operation);
    if (isProcessing(kind) && !allowed.includes(operation)) {
      const fit = allowed.join(' or ') || 'no call of this platform';
      context.addIssue(`${kind} goes with ${fit}, not with ${operation}`);
    }
    if (kindsWithTime.includes(kind) && ms === undefined) context.addIssue(`${kind} needs ms`);
  });

export type FaultInput = z.infer<typeof faultInputSchema>;

export interface Fault extends FaultInput {
  faultId: string;
  platform: Platform;
  /** Matching calls so far, with those let through by `after`. */
  seen: number;
  /** Calls it has hit. */
  hits: number;
}

export interface FaultStore {
  add(input: FaultInput): Fault;
  list(): Fault[];
  remove(faultId: string): boolean;
  clear(): void;
  /**
   * The fault that hits this call, counted. Faults form a queue: a call meets the first that is not used up, so
   * scripts can say "twice throttled, then reset".
   */
  take(operation: OperationName, externalId: string | undefined): Fault | undefined;
  /** Un-counts a hit: the call was refused for its own reasons before the fault could act. */
  giveBack(fault: Fault): void;
}

/** Faults live in memory: a restart of the sandbox ends them. */
export function createFaults(): FaultStore {
  let faults: Fault[] = [];
  return {
    add(input) {
      const platform = input.operation.split('.')[0] as Platform;
      const fault = { ...input, platform, faultId: randomUUID(), seen: 0, hits: 0 };
      faults.push(fault);
      return fault;
    },
    list: () => faults,
    remove(faultId) {
      const before = faults.length;
      faults = faults.filter((fault) => fault.faultId !== faultId);
      return faults.length < before;
    },
    clear() {
      faults = [];
    },
    take(operation, externalId) {
      for (const fault of faults) {
        if (fault.operation !== operation) continue;
        if (fault.externalId !== undefined && fault.externalId !== externalId) continue;
        if (fault.times !== 'always' && fault.hits >= fault.times) continue;
        fault.seen += 1;
        if (fault.seen <= fault.after) continue;
        fault.hits += 1;
        return fault;
      }
      return undefined;
    },
    giveBack(fault) {
      fault.hits -= 1;
      fault.seen -= 1;
    },
  };
}
