import { loadModule, parseSync, type Node, type RawStmt } from "libpg-query";

await loadModule();

/** The names of the nodes of PostgreSQL's syntax tree. */
export type Kind = Node extends infer Each ? (Each extends unknown ? keyof Each : never) : never;

/** The node of a name. */
export type NodeOf<K extends Kind> =
  Extract<Node, Readonly<Record<K, unknown>>> extends infer Each
    ? Each extends Readonly<Record<K, infer Inner>>
      ? Inner
      : never
    : never;

/** Parses SQL that PostgreSQL's grammar takes. Throws an SqlError with the place of what it does not. */
export function parse(text: string): readonly RawStmt[] {
  return parseSync(text).stmts ?? [];
}

/** A node as one of a kind, or undefined. */
export function as<K extends Kind>(node: unknown, kind: K): NodeOf<K> | undefined {
  return (node as Partial<Record<K, NodeOf<K>>> | undefined)?.[kind];
}

/** The kind of a node. */
export function kindOf(node: unknown): Kind {
  return Object.keys(node as object)[0] as Kind;
}

/** All nodes of a kind in a tree, the outer ones first, but for those below what `into` refuses. */
export function* findAll<K extends Kind>(
  tree: unknown,
  kind: K,
  into: (name: string) => boolean = () => true,
): Generator<NodeOf<K>> {
  if (typeof tree !== "object" || tree === null) return;
  for (const [name, value] of Object.entries(tree)) {
    if (name === kind) yield value as NodeOf<K>;
    if (into(name)) yield* findAll(value, kind, into);
  }
}

/** The words of a name: of a function, an operator, a type or a column. */
export function wordsOf(names: readonly unknown[] | undefined): string[] {
  return (names ?? []).map((each) => as(each, "String")?.sval ?? "*");
}

/** The last word of a name, which is all of it where nothing is qualified. */
export function lastWord(names: readonly unknown[] | undefined): string {
  return wordsOf(names).at(-1) ?? "";
}
