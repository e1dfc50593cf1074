import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { type Node, parseSync, visitorKeys } from "oxc-parser";

const root = path.join(import.meta.dirname, "../..");

/** What the compiler believes without a look: that a value is there (`a!`), or what it is (`a as B`). */
type Assertion = {
  readonly kind: "non-null" | "cast";
  readonly room: string;
  /** `file:line`. */
  readonly at: string;
  readonly text: string;
};

export type Figures = {
  readonly files: readonly { readonly room: string; readonly file: string; readonly lines: number }[];
  readonly assertions: readonly Assertion[];
  /** `file:line` of each function of more than 60 lines that are neither empty nor comments alone. */
  readonly longFunctions: readonly string[];
};

const functionLinesMax = 60;

const functions = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];

/** Counts what is written by hand in src/. */
export function readFigures(): Figures {
  const names = globSync("src/**/*.ts", { cwd: root, exclude: ["src/gen/**"] }).toSorted();
  const read = names.map((name) => {
    const text = readFileSync(path.join(root, name), "utf8");
    return { name: name.replaceAll(path.sep, "/"), text };
  });
  const found = read.map(({ name, text }) => countFile(name, text));
  return {
    files: read.map(({ name, text }) => ({ room: roomOf(name), file: name, lines: countLines(text) })),
    assertions: found.flatMap(({ assertions }) => assertions),
    longFunctions: found.flatMap(({ longFunctions }) => longFunctions),
  };
}

/** How many assertions there are for a thousand lines. */
export function toRates({ files, assertions }: Figures): {
  readonly nonNull: number;
  readonly casts: number;
} {
  const thousands = files.reduce((sum, { lines }) => sum + lines, 0) / 1_000;
  const nonNull = assertions.filter(({ kind }) => kind === "non-null").length;
  return { nonNull: nonNull / thousands, casts: (assertions.length - nonNull) / thousands };
}

/** Counts in the text of one file. */
export function countFile(file: string, text: string): Omit<Figures, "files"> {
  const { program, comments, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]?.message}`);
  const code = comments.reduce(
    (rest, { start, end }) =>
      rest.slice(0, start) + rest.slice(start, end).replaceAll(/[^\n]/g, " ") + rest.slice(end),
    text,
  );
  const assertions: Assertion[] = [];
  const longFunctions: string[] = [];
  walk(program, (node) => {
    const at = `${file}:${countLines(text.slice(0, node.start)) + 1}`;
    const kind = kindOf(node);
    const own = text.slice(node.start, node.end).replaceAll(/\s+/g, " ");
    if (kind) assertions.push({ kind, room: roomOf(file), at, text: own });
    const lines = code.slice(node.start, node.end).split("\n");
    const isLong = lines.filter((line) => line.trim() !== "").length > functionLinesMax;
    if (isLong && functions.includes(node.type)) longFunctions.push(at);
  });
  return { assertions, longFunctions };
}

/** A cast twice over (`a as unknown as B`) counts twice; `as const` asserts nothing. */
function kindOf(node: Node): Assertion["kind"] | undefined {
  if (node.type === "TSNonNullExpression") return "non-null";
  if (node.type === "TSTypeAssertion") return "cast";
  if (node.type !== "TSAsExpression") return undefined;
  const { typeAnnotation: type } = node;
  const isConst =
    type.type === "TSTypeReference" && type.typeName.type === "Identifier" && type.typeName.name === "const";
  return isConst ? undefined : "cast";
}

function walk(node: Node, see: (node: Node) => void): void {
  see(node);
  for (const key of visitorKeys[node.type] ?? []) {
    const below: unknown = Reflect.get(node, key);
    for (const child of Array.isArray(below) ? below : [below]) if (isNode(child)) walk(child, see);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}

/** The room of a file: its directory, or "src" itself. */
function roomOf(file: string): string {
  return path.posix.dirname(file).replace(/^src\//, "");
}
