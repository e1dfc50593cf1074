import { expect, test } from "vitest";
import { countFile, readFigures, toRates } from "../scripts/figures/read.ts";

const figures = readFigures();

test("of a thousand lines of src/ at most four assert that something is there, and four what it is", () => {
  const { nonNull, casts } = toRates(figures);

  expect(nonNull).toBeLessThanOrEqual(4);
  expect(casts).toBeLessThanOrEqual(4);
});

test("assertions are counted as the compiler reads them", () => {
  const text = `
    // none! of these as well
    const a = b! as C as const;
    const d = e as unknown as F<"as g">;
    if (!a || a !== d) import("h!");
    const i = { j: [..."as k"] } satisfies L as const;`;

  const { assertions } = countFile("src/a/b.ts", text);

  expect(assertions.map(({ kind, at, text: asserted }) => [kind, at, asserted])).toEqual([
    ["cast", "src/a/b.ts:3", "b! as C"],
    ["non-null", "src/a/b.ts:3", "b!"],
    ["cast", "src/a/b.ts:4", 'e as unknown as F<"as g">'],
    ["cast", "src/a/b.ts:4", "e as unknown"],
  ]);
});

test("no function of src/ has more than 60 lines", () => {
  expect(figures.longFunctions).toEqual([]);
});

test("a function is as long as its code, without empty lines and comments", () => {
  const lines = (count: number): string => "  a();\n".repeat(count);

  const { longFunctions } = countFile(
    "a.ts",
    `function b() {\n\n  // c\n${lines(58)}}\nconst d = () => {\n${lines(59)}};\n`,
  );

  expect(longFunctions).toEqual(["a.ts:63"]);
});
