import type { z } from 'zod';
import type { CampaignProblem } from './campaign.ts';
import type { CampaignDocument, Path } from './campaign-document.ts';
import { describeIssue } from './campaign-schema.ts';
import type { readMediaFile } from './read-media.ts';

/** One reading of a campaign: the document, and what has been found wrong with it so far. */
export interface Reading {
  readonly document: CampaignDocument;
  readonly folder: string;
  readonly now: Date;
  readonly problems: CampaignProblem[];
  /** Each file is read once, however many posts show it. */
  readonly media: Map<string, ReturnType<typeof readMediaFile>>;
}

type Shape = Readonly<Record<string, z.ZodType>>;
type Taken<Fields extends Shape> = { -readonly [Name in keyof Fields]?: z.infer<Fields[Name]> };
type Complete<Fields> = { [Name in keyof Fields]-?: Exclude<Fields[Name], undefined> };

/** Reads each field by itself, so that one that is wrong hides no other. `null` when the value has no fields. */
export function takeFields<Fields extends Shape>(
  reading: Reading,
  shape: Fields,
  value: unknown,
  path: Path,
): Taken<Fields> | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    addProblem(reading, path, `${nameOf(path)} must be a map with ${Object.keys(shape).join(', ')}`);
    return null;
  }
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(shape, name)) continue;
    const reason = `there is no field ${name}; there are ${Object.keys(shape).join(', ')}`;
    addProblemAtKey(reading, [...path, name], reason);
  }
  const entries = Object.entries(shape).map(([name, fieldSchema]) => {
    const given = (value as Record<string, unknown>)[name];
    return [name, take(reading, fieldSchema, given, [...path, name])] as const;
  });
  return Object.fromEntries(entries) as Taken<Fields>;
}

export function take<Schema extends z.ZodType>(
  reading: Reading,
  fieldSchema: Schema,
  value: unknown,
  path: Path,
): z.infer<Schema> | undefined {
  const result = fieldSchema.safeParse(value, { error: describeIssue });
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const here = [...path, ...issue.path.filter((part) => typeof part !== 'symbol')];
    if (issue.code === 'unrecognized_keys') {
      for (const name of issue.keys) addProblemAtKey(reading, [...here, name], `there is no field ${name}`);
    } else {
      // What the interface says of its own fields begins with a capital.
      addProblem(reading, here, `${nameOf(here)} ${issue.message.replace(/^Must /, 'must ')}`);
    }
  }
  return undefined;
}

/** Whether every field that has to be there could be read: what could not be has been reported. */
export function isComplete<Fields extends object>(fields: Fields): fields is Fields & Complete<Fields> {
  return Object.entries(fields).every(
    ([name, value]) => value !== undefined || name === 'dueAt' || name === 'dueInSeconds',
  );
}

export function fieldsOf({ document }: Reading, path: Path): ReadonlySet<string> {
  const value = path.reduce<unknown>(
    (parent, name) => (parent as Record<string | number, unknown>)[name],
    document.value,
  );
  return new Set(Object.keys(value as object));
}

const nameOf = (path: Path): string =>
  [...path].reverse().find((part) => typeof part === 'string') ?? 'the campaign';

export function addProblem({ document, problems }: Reading, path: Path, reason: string): void {
  problems.push(document.problemAt(path, reason));
}

export function addProblemAtKey({ document, problems }: Reading, path: Path, reason: string): void {
  problems.push(document.problemAtKey(path, reason));
}
