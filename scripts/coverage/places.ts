import { type Node, parseSync, visitorKeys } from "oxc-parser";

/** A place in a file; lines count from 1, columns from 0. */
export type Point = { readonly line: number; readonly column: number };

/** Code that runs on CockroachDB alone. */
export type Place = {
  readonly line: number;
  readonly text: string;
  /**
   * Which side of a condition it is, 0 for what runs where the condition holds; the condition begins at
   * `start`. Or a function that nothing else calls, from `start` to `end`.
   */
  readonly of:
    | { readonly kind: "side"; readonly start: Point; readonly side: 0 | 1 }
    | { readonly kind: "function"; readonly start: Point; readonly end: Point };
};

/** Finds the code of a file that runs on CockroachDB alone: the sides of conditions, and what they call. */
export function findPlaces(file: string, text: string): Place[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]?.message}`);
  const lines = text.split("\n");
  const toPoint = (offset: number): Point => {
    const before = text.slice(0, offset).split("\n");
    return { line: before.length, column: before.at(-1)!.length };
  };
  const places: Place[] = [];
  const called = new Set<string>();
  for (const node of walk(program)) {
    if (node.type !== "IfStatement" && node.type !== "ConditionalExpression") continue;
    const side = sideOf(node.test);
    if (side === undefined) continue;
    const own = side === 0 ? node.consequent : node.alternate;
    const { line } = toPoint((own ?? node).start);
    places.push({
      line,
      text: own ? lines[line - 1]!.trim() : `otherwise than: ${lines[line - 1]!.trim()}`,
      of: { kind: "side", start: toPoint(node.start), side },
    });
    for (const each of own ? walk(own) : []) if (each.type === "Identifier") called.add(each.name);
  }
  for (const node of walk(program)) {
    if (node.type !== "FunctionDeclaration" || !node.id || !called.has(node.id.name)) continue;
    if (countUses(text, node.id.name) !== 2) continue;
    const { line } = toPoint(node.start);
    const of = { kind: "function", start: toPoint(node.body!.start), end: toPoint(node.end) } as const;
    places.push({ line, text: lines[line - 1]!.trim(), of });
  }
  return places.toSorted((one, other) => one.line - other.line);
}

/** The side of a condition that CockroachDB takes, if the condition asks for the engine. */
function sideOf(test: Node): 0 | 1 | undefined {
  if (test.type !== "BinaryExpression" || !/^[!=]==$/.test(test.operator)) return undefined;
  const { right } = test;
  if (right.type !== "Literal" || !(right.value === "cockroachdb" || right.value === "postgresql"))
    return undefined;
  return (right.value === "cockroachdb") === (test.operator === "===") ? 0 : 1;
}

/** In a declaration, and where it is called. */
function countUses(text: string, name: string): number {
  return Array.from(text.matchAll(new RegExp(String.raw`\b${name}\b`, "g"))).length;
}

function* walk(node: Node): Generator<Node> {
  yield node;
  for (const key of visitorKeys[node.type] ?? []) {
    const inner = (node as unknown as Readonly<Record<string, Node | readonly (Node | null)[] | null>>)[key];
    for (const each of [inner].flat()) if (each) yield* walk(each);
  }
}
