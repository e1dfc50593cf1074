import { expect, test } from "vitest";
import { allTexts, columns, command, statement } from "../src/db/engine/statement.ts";

test("only what begins with select reads: all else may have happened when its answer is lost", () => {
  const texts = [
    "select 1",
    "\n  select 1",
    "with a as (select 1) insert into b select 1 from a",
    "update a",
  ];

  const read = texts.map((text, n) => statement(`test.read_${n}`, text).readsOnly);

  expect(read).toEqual([true, true, false, false]);
});

test("no two SQL texts have one name", () => {
  statement("test.statement", "select 1");
  command("test.command", "select 1");

  for (const name of ["test.statement", "test.command"]) {
    expect(() => statement(name, "select 2")).toThrow(`two SQL texts are named ${name}`);
    expect(() => command(name, "select 2")).toThrow(`two SQL texts are named ${name}`);
  }
});

test("what is sent to one engine only is listed for that one", () => {
  command("test.both", "select 1");
  command("test.one", "select 2", "cockroachdb");

  const named = (["cockroachdb", "postgresql"] as const).map((engine) => {
    const texts = allTexts(engine);
    return ["test.both", "test.one"].map((name) => texts.get(name));
  });

  expect(named).toEqual([
    ["select 1", "select 2"],
    ["select 1", undefined],
  ]);
});

test("a type's columns are selected under the names of its fields, and again behind a query that has named them", () => {
  const stored = columns<{ readonly id: string; readonly createTime?: bigint }>({
    id: "id",
    createTime: "create_time",
  });

  expect(stored.of("u")).toBe('u.id, u.create_time as "createTime"');
  expect(stored.again("x")).toBe('x.id, x."createTime"');
  expect(stored.bare).toBe("id, create_time");
});

test("a field without a column does not compile", () => {
  // @ts-expect-error: `name` is missing.
  const stored = columns<{ readonly id: string; readonly name: string }>({ id: "id" });

  expect(stored.bare).toBe("id");
});
