// Counts src/: `npm run figures`. What may not grow is held by test/figures.test.ts.
import { parseArgs } from "node:util";
import { type Figures, readFigures, toRates } from "./figures/read.ts";

const help = `Usage: npm run figures -- [options]

Prints, for each room of src/ (generated code is none), its files and lines, the assertions that the compiler
believes, and the functions of more than 60 lines.

  --assertions  also prints where each assertion stands
  --help        prints this

Exit codes: 0 counted, 2 the arguments are wrong.
`;

process.exitCode = main();

function main(): number {
  let values;
  try {
    ({ values } = parseArgs({ options: { assertions: { type: "boolean" }, help: { type: "boolean" } } }));
  } catch (error) {
    console.error(`${(error as Error).message}; --help lists the options`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const figures = readFigures();
  console.log(toTable(figures));
  const { nonNull, casts } = toRates(figures);
  console.log(`\na thousand lines: ${nonNull.toFixed(2)} non-null (!), ${casts.toFixed(2)} casts (as)`);
  console.log(`functions over 60 lines: ${figures.longFunctions.join(", ") || "none"}`);
  if (values.assertions)
    for (const { kind, at, text } of figures.assertions) console.log(`${kind.padEnd(8)} ${at}  ${text}`);
  return 0;
}

function toTable({ files, assertions }: Figures): string {
  const rooms = Map.groupBy(files, ({ room }) => room);
  const rows = Array.from(rooms, ([room, members]) => {
    const lines = members.reduce((sum, file) => sum + file.lines, 0);
    const own = assertions.filter((each) => each.room === room);
    const nonNull = own.filter(({ kind }) => kind === "non-null").length;
    return [room, members.length, lines, nonNull, own.length - nonNull] as const;
  });
  const total = rows.reduce<[string, number, number, number, number]>(
    ([name, ...sums], [, ...counts]) => [name, ...add(sums, counts)],
    ["all", 0, 0, 0, 0],
  );
  return [["room", "files", "lines", "!", "as"], ...rows, total]
    .map(([room, ...counts]) => room.padEnd(16) + counts.map((n) => String(n).padStart(7)).join(""))
    .join("\n");
}

type Counts = readonly [number, number, number, number];

function add(one: Counts, other: Counts): [number, number, number, number] {
  return [one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]];
}
