import { z } from 'zod';
import { targetTexts } from '../../api/schemas/posts.ts';
import { latenessRules } from '../../domain/policy.ts';
import { accountKinds, gates, platforms, postTypes, roles } from '../../domain/post.ts';
import { isTimeZone } from '../../domain/time-zone.ts';

/** The fields of a campaign file, one schema each, so that every field is judged by itself. */

const keyPattern = /^[a-z][a-z0-9-]{0,39}$/;
export const keyRule =
  'must begin with a lower-case letter and hold only lower-case letters, digits and hyphens';
export const key = z.string().regex(keyPattern, keyRule);
const line = z.string().trim().min(1, 'must not be empty').max(200, 'must have at most 200 characters');
const copy = z.string().max(20_000, 'must have at most 20000 characters');
const gate = z.enum(gates);
const by = key;
const list = (most: number) => z.array(z.unknown()).max(most, `must have at most ${most} entries`);

const timeZone = z.string().refine(isTimeZone, 'must be an IANA time zone, e.g. Europe/Berlin');

const atMostFields = (most: number) =>
  z
    .record(z.string(), z.unknown())
    .refine((value) => Object.keys(value).length > 0, 'must name at least one')
    .refine((value) => Object.keys(value).length <= most, `must have at most ${most} entries`);

export const campaignFields = {
  name: line,
  timeZone,
  brand: z.string().min(1, 'must not be empty').optional(),
  profiles: atMostFields(20),
  members: atMostFields(20),
  policy: z.record(z.string(), z.unknown()).optional(),
  posts: z.array(z.unknown()).min(1, 'must have at least one entry').max(50, 'must have at most 50 entries'),
};

export const profileFields = {
  platform: z.enum(platforms),
  accountKind: z.enum(accountKinds),
  externalId: line,
  name: line,
};

const tenantRoles = roles.filter((role) => role !== 'super_admin');
export const memberFields = { name: line, role: z.enum(tenantRoles) };

const deciderRoles = tenantRoles.filter((role) => role !== 'viewer');
const gatePolicy = z.strictObject({
  required: z.boolean().optional(),
  deciders: z
    .strictObject({ roles: z.array(z.enum(deciderRoles)).default([]), members: z.array(key).default([]) })
    .refine(({ roles, members }) => roles.length + members.length > 0, 'must name a role or a member')
    .optional(),
  quorum: z.int().min(1).max(20).optional(),
  authorMay: z.boolean().optional(),
  slaHours: z.number().min(1).max(2_160).optional(),
  lateness: z.enum(latenessRules).optional(),
});
export const policyFields = {
  content: gatePolicy.optional(),
  design: gatePolicy.optional(),
  publish: gatePolicy.optional(),
};

export const postFields = {
  key,
  type: z.enum(postTypes),
  copy: copy.default(''),
  media: list(20).default([]),
  targets: z
    .array(z.unknown())
    .min(1, 'must have at least one entry')
    .max(20, 'must have at most 20 entries'),
  dueInSeconds: z
    .int('must be a whole number of seconds')
    .min(1, 'must be at least 1')
    .max(2_592_000, 'must be at most 2592000 (30 days)')
    .optional(),
  dueAt: z.iso
    .datetime({ offset: true, message: 'must be an instant with an offset, e.g. 2030-01-31T09:00:00+01:00' })
    .optional(),
  author: key,
  script: list(50).default([]),
};

export const mediaFields = {
  file: z.string().min(1, 'must not be empty'),
  altText: z.string().max(5_000, 'must have at most 5000 characters').nullable().default(null),
  cover: z.string().min(1, 'must not be empty').optional(),
};

/** What a target says beside its copy is what the interface takes. */
export const targetFields = {
  profile: key,
  copy: copy.nullable().default(null),
  type: z.enum(postTypes).optional(),
  ...targetTexts,
};

export const stepFields = {
  submit: { by },
  approve: { by, gate },
  reject: {
    by,
    gate,
    notes: z
      .string()
      .trim()
      .min(1, 'must say what is to change')
      .max(4_000, 'must have at most 4000 characters'),
    returnTo: gate.nullable().default(null),
  },
  edit: { by, copy },
  deliver: {
    by,
    media: z
      .array(z.unknown())
      .min(1, 'must have at least one entry')
      .max(20, 'must have at most 20 entries'),
  },
};

/** What a value should have been, for people who write YAML. */
export function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    if (issue.input === undefined) return 'is missing';
    if (issue.expected === 'string') return `must be text${isPlain(issue.input) ? '; put it in quotes' : ''}`;
    return `must be ${expectations[issue.expected] ?? issue.expected}`;
  }
  if (issue.code === 'invalid_value') {
    return issue.input === undefined ? 'is missing' : `must be one of ${issue.values.join(', ')}`;
  }
  if (issue.code === 'invalid_union') return 'must be text, a number, true or false, or a list of texts';
  if (issue.code === 'too_small') return describeLimit('least', issue.minimum, issue.origin);
  if (issue.code === 'too_big') return describeLimit('most', issue.maximum, issue.origin);
  return undefined;
}

function describeLimit(which: 'least' | 'most', limit: number | bigint, origin: string): string {
  const counted = { string: 'characters', array: 'entries' }[origin];
  return counted ? `must have at ${which} ${limit} ${counted}` : `must be at ${which} ${limit}`;
}

const isPlain = (input: unknown): boolean => typeof input === 'number' || typeof input === 'boolean';
const expectations: Readonly<Record<string, string>> = {
  object: 'a map of fields',
  record: 'a map of fields',
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
};
