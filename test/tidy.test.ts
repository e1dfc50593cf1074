import { expect, test } from "vitest";
import { sources } from "./support/sources.ts";

const everything = "{src,client,examples,test,scripts,bench,proto,migrations,deploy,docs,.ci}/**/*";

test("only main.ts, process.ts and workers/ ask for what a process alone has: environment, terminal, signals", () => {
  // What the process is (its pid, its platform, its user) anybody may ask.
  const ask = /\bprocess\.(env|argv|exit|exitCode|on|once|stdin|stdout|stderr|cwd)\b/;

  const others = findLines(["src/**/*.ts"], ask).filter(
    (line) => !/^src\/(main\.ts|process\.ts|workers\/\w+\.ts):/.test(line),
  );
  expect(others).toEqual([]);
});

test("lines have up to 110 columns, but for titles of tests, which do not break", () => {
  const long = /^(?!test\().{111}/;

  expect(
    findLines(["{src,client,examples,test,scripts,bench}/**/*.ts", "*.ts", "migrations/*.sql"], long),
  ).toEqual([]);
});

test("files have up to 250 lines", () => {
  const long = sources("{src,client,examples,test,scripts,bench}/**/*.ts")
    .map(({ file, text }) => ({ file, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > 250);

  expect(long).toEqual([]);
});

test("nothing is left to do, nothing is untyped and no test runs alone", () => {
  const left = /\b(TO(?:DO)|FIX(?:ME)|X{3})\b/;
  const loose = /\bas an(?:y)\b(?! [a-z])|\b(?:test|it|describe)\.on(?:ly)\b/;

  expect(findLines([everything, "*.*"], left)).toEqual([]);
  expect(findLines(["{src,client,examples,test,scripts,bench}/**/*.ts"], loose)).toEqual([]);
});

test("no path of somebody's machine is in the repository", () => {
  const home = /(?<![\w.:/-])\/(?:work|root|home|Users)\/\w/;

  expect(findLines([everything, "*.*"], home)).toEqual([]);
});

test("src/ writes no SQL into the call that sends it: what is declared is what the gates see", () => {
  const inline = /\.query(?:<[^;]*?>)?\(\s*["'`](?!explain )/;

  const found = sources("src/**/*.ts").filter(({ text }) => inline.test(text));

  expect(found.map(({ file }) => file)).toEqual([]);
});

test("no function is made for each call in the old generation, as V8 makes one that a property is assigned", () => {
  // What is made once: the reader of a schema, the parser of a connection.
  const once = /^src\/(rpc\/json|db\/engine\/data-rows)\.ts:/;
  const assigned = /[\w\])]\.#?\w+ (\?\?)?= (async )?(\([^()]*\)(: [\w<>|. ]+)? =>|\w+ =>|function\b)/;

  const found = findLines(["src/{rpc,services,db}/**/*.ts", "src/*.ts"], assigned);

  expect(found.filter((line) => !once.test(line))).toEqual([]);
});

/** The lines that fit a pattern, as `file:line: text`. */
function findLines(globs: readonly string[], pattern: RegExp): string[] {
  return globs.flatMap(sources).flatMap(({ file, text }) =>
    text
      .split("\n")
      .map((line, index) => ({ line, at: `${file}:${index + 1}: ${line.trim()}` }))
      .filter(({ line }) => pattern.test(line))
      .map(({ at }) => at),
  );
}
