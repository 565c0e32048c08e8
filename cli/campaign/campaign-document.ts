import { type Document, isMap, isNode, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import type { CampaignProblem } from './campaign.ts';

export type Path = readonly (string | number)[];

/** How many nodes all aliases together may stand for: enough to repeat a text, too few to blow up. */
const maxAliasCount = 100;

const nestedTooDeeply = 'is nested too deeply';

/** A YAML text that remembers where each value stands. */
export interface CampaignDocument {
  readonly file: string;
  readonly value: unknown;
  /** Where the value at a path stands; of one that is missing, what it is missing from. */
  readonly problemAt: (path: Path, reason: string) => CampaignProblem;
  /** Where the name of a field stands. */
  readonly problemAtKey: (path: Path, reason: string) => CampaignProblem;
}

export type ParsedDocument =
  | { readonly ok: true; readonly document: CampaignDocument }
  | { readonly ok: false; readonly problems: readonly CampaignProblem[] };

/** Parses YAML 1.2 into plain values. A text that is no sound YAML gives its problems instead. */
export function parseCampaignDocument(file: string, text: string): ParsedDocument {
  const lineCounter = new LineCounter();
  const problemAtOffset = (offset: number, reason: string): CampaignProblem => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1), reason };
  };
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true });
    const problems = [...document.errors, ...document.warnings].map((error) =>
      problemAtOffset(error.pos[0], error.message),
    );
    // What the parser says when it has recursed too far into what is nested; the rest only follows from that.
    const tooDeep = problems.find(({ reason }) => reason.includes('call stack'));
    if (tooDeep) return { ok: false, problems: [{ ...tooDeep, reason: nestedTooDeeply }] };
    if (problems.length > 0) return { ok: false, problems };
    const aliasProblems = findAliasProblems(document, problemAtOffset);
    if (aliasProblems.length > 0) return { ok: false, problems: aliasProblems };
    return { ok: true, document: createDocument(file, document, problemAtOffset) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { ok: false, problems: [problemAtOffset(0, nestedTooDeeply)] };
  }
}

function createDocument(
  file: string,
  document: Document,
  problemAtOffset: (offset: number, reason: string) => CampaignProblem,
): CampaignDocument {
  const nearestNode = (path: Path): Node | null => {
    for (let length = path.length; length > 0; length -= 1) {
      const node = document.getIn(path.slice(0, length), true);
      if (isNode(node)) return node;
    }
    return document.contents;
  };
  const startOf = (node: Node | null): number => node?.range?.[0] ?? 0;
  return {
    file,
    value: document.toJS({ maxAliasCount }),
    problemAt: (path, reason) => problemAtOffset(startOf(nearestNode(path)), reason),
    problemAtKey(path, reason) {
      const parent = nearestNode(path.slice(0, -1));
      const pair = isMap(parent)
        ? parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1))
        : undefined;
      return problemAtOffset(startOf(isNode(pair?.key) ? pair.key : parent), reason);
    },
  };
}

function findAliasProblems(
  document: Document,
  problemAtOffset: (offset: number, reason: string) => CampaignProblem,
): CampaignProblem[] {
  const problems: CampaignProblem[] = [];
  let firstAlias: number | null = null;
  visit(document, {
    Alias(_, alias) {
      const offset = alias.range?.[0] ?? 0;
      firstAlias ??= offset;
      if (!alias.resolve(document)) {
        problems.push(problemAtOffset(offset, `*${alias.source} refers to no anchor before it`));
      }
    },
  });
  if (problems.length > 0 || firstAlias === null) return problems;
  try {
    document.toJS({ maxAliasCount });
    return [];
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    return [problemAtOffset(firstAlias, `aliases stand for more than ${maxAliasCount} values`)];
  }
}
