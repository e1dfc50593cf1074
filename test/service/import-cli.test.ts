import { appendFileSync } from "node:fs";
import { appendFile, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { countOrders, drafts, readViolations } from "../support/imports.ts";
import { givenDirectory, givenFile, importFile as cli, toLines } from "../support/import-command.ts";
import { startProxy } from "../support/proxy.ts";
import { runToEnd } from "../support/processes.ts";
import { openShop } from "../support/shop.ts";

test("import reads a file, tells how it went, and imports nothing when it is run again", async () => {
  await using shop = await openShop();
  await using given = await givenFile(shop, 3_000);

  const first = await cli(shop, given.file);
  const second = await cli(shop, given.file);

  expect([first.code, first.stdout]).toEqual([
    0,
    expect.stringMatching(/^3000 inserted, 0 there before, 0 refused \(request id [0-9a-f-]{36}\)\n$/),
  ]);
  expect(first.stderr).toMatch(/100% · 3000 rows/);
  expect(second.code).toBe(0);
  expect(second.stdout).toMatch(/already imported, .* without .* all rows would be imported a second time/);
  expect([await countOrders(shop), await readViolations(shop)]).toEqual([3_000, []]);
});

test("import says that a file has grown since it was imported, and imports nothing of it", async () => {
  await using shop = await openShop();
  await using given = await givenFile(shop, 3);
  await cli(shop, given.file);
  await appendFile(given.file, `${toLines(drafts(given.ada.id, given.lamp, 1)).join("\n")}\n`);

  const { code, stdout, stderr } = await cli(shop, given.file);

  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/orders\.ndjson has changed since it was imported \(\d+ bytes then, \d+ now\)/);
  expect(await countOrders(shop)).toBe(3);
});

test("import takes rows that are appended while it reads, and knows them when it is run again", async () => {
  await using shop = await openShop({}, { through: startProxy });
  await using given = await givenFile(shop, 20_000);
  const late = toLines(drafts(given.ada.id, given.lamp, 1))[0]!;
  let isAppended = false;
  shop.proxy.decide = ({ statement }) => {
    if (statement === "orders.create" && !isAppended) appendFileSync(given.file, `${late}\n`);
    isAppended ||= statement === "orders.create";
    return undefined;
  };

  const first = await cli(shop, given.file);
  const second = await cli(shop, given.file);

  expect([first.code, first.stdout]).toEqual([0, expect.stringMatching(/^20001 inserted/)]);
  expect([second.code, second.stdout]).toEqual([0, expect.stringContaining("already imported")]);
});

test("import that was ended by an earlier version, which did not keep a checkpoint, is over", async () => {
  await using shop = await openShop();
  await using given = await givenFile(shop, 3);
  await cli(shop, given.file);
  const resume = `${given.file}.resume`;
  const { checkpoint, ...state } = JSON.parse(await readFile(resume, "utf8")) as { checkpoint: object };
  await writeFile(resume, JSON.stringify(state));

  const { code, stdout } = await cli(shop, given.file);

  expect(checkpoint).toMatchObject({ bytes: (await readFile(given.file)).length });
  expect([code, stdout]).toEqual([0, expect.stringContaining("already imported")]);
});

test("import lists refused and unreadable rows by their lines and ends with 1", async () => {
  await using shop = await openShop();
  await using given = await givenFile(shop, 5);
  given.lines[1] = "{";
  given.lines[3] = toLines(drafts("6d5f8c6e-8bb4-4a3c-9d2a-54a3b1f8f7e1", given.lamp, 1))[0]!;
  await writeFile(given.file, ["", ...given.lines].join("\n"));

  const { code, stdout } = await cli(shop, given.file);

  expect([code, stdout]).toEqual([1, expect.stringMatching(/^3 inserted, 0 there before, 2 refused/)]);
  const refused = (await readFile(`${given.file}.refused`, "utf8")).trim().split("\n");
  expect(refused.map((each) => JSON.parse(each) as unknown)).toMatchObject([
    { index: 1, line: 3, code: "InvalidArgument", why: expect.stringContaining("JSON") as string },
    { index: 3, line: 5, code: "NotFound", reason: "USER_NOT_FOUND" },
  ]);
});

test("import whose output is not read goes on to its end", async () => {
  await using shop = await openShop();
  await using given = await givenFile(shop, 6_000);
  const command = `${process.execPath} scripts/import.ts --url ${shop.grpcUrl} - < ${given.file} 2>&1 | true`;
  given.lines[0] = "{";
  await writeFile(given.file, given.lines.join("\n"));

  await runToEnd("sh", ["-c", command]);

  expect(await countOrders(shop)).toBe(5_999);
});

test("import knows a file that was changed since it was imported and is as long as before", async () => {
  await using shop = await openShop();
  await using given = await givenFile(shop, 3);
  await cli(shop, given.file);
  await writeFile(given.file, `${given.lines.join("\n").replace("9", "8")}\n`);

  const { code, stdout, stderr } = await cli(shop, given.file);

  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain("has changed since it was imported");
});

test.each([
  ["--items", "order_id;product_id;quantity;unit_price;currency\n", "use commas"],
  ["--url=http://127.0.0.1:1", '[{"userId": ""}]', "the file is a JSON array"],
])(
  "import ends with 2 for a file that is none, before it sends or writes anything (%s)",
  async (...given) => {
    const [option, text, why] = given;
    await using directory = await givenDirectory();
    const file = path.join(directory.path, "file");
    await writeFile(file, text);

    const { code, stdout, stderr } = await runToEnd(process.execPath, ["scripts/import.ts", option, file]);

    expect([code, stdout, await readdir(directory.path)]).toEqual([2, "", ["file"]]);
    expect(stderr).toContain(why);
  },
);

test("import --items adds the items of a CSV file", async () => {
  await using shop = await openShop();
  await using given = await givenFile(shop, 1);
  const { id } = await shop.order([given.lamp]);
  const rows = Array.from({ length: 20 }, () => `${id},${given.lamp.id},2,0.05,EUR`);
  const heading = "order_id,product_id,quantity,unit_price,currency";
  const file = `${given.file}.csv`;
  await writeFile(file, [heading, ...rows, `${id},${given.lamp.id},two,0.05,EUR`].join("\n"));

  const { code, stdout } = await cli(shop, "--items", file);

  expect([code, stdout]).toEqual([1, expect.stringMatching(/^20 inserted, 0 there before, 1 refused/)]);
  expect(await readFile(`${file}.refused`, "utf8")).toContain('"line":22');
  const { order } = await shop.orders.getOrder({ id });
  expect([order!.itemCount, order!.total]).toMatchObject([21, { units: 11n, nanos: 990_000_000 }]);
});

test("demo --write makes a file that import reads", async () => {
  await using shop = await openShop();
  await using given = await givenFile(shop, 0);
  const size = ["--orders", "200", "--users", "3", "--products", "30"];
  const where = ["--url", shop.grpcUrl, "--write", given.file];

  const demo = await runToEnd(process.execPath, ["scripts/demo.ts", ...where, ...size]);
  const { stdout } = await cli(shop, given.file);

  expect([demo.code, demo.stderr]).toEqual([0, ""]);
  const [, inserted, refused] = /^(\d+) inserted, 0 there before, (\d+) refused/.exec(stdout)!.map(Number);
  expect(inserted! + refused!).toBe(200);
  expect([await countOrders(shop), await readViolations(shop)]).toEqual([inserted, []]);
});

test.each([
  [[], "FILE"],
  [["--nonsense"], "--nonsense"],
  [["--request-id", "x", "README.md"], "UUID"],
  [["--request-id", "00000000-0000-0000-0000-000000000000", "README.md"], "not the one of zeros"],
  [["src"], "src is a directory"],
  [["there-is-no.ndjson"], "there-is-no.ndjson cannot be read: there is no such file"],
  [["--resume", "package.json", "README.md"], "package.json"],
])("import ends with 2 for %j and names what is wrong", async (args, named) => {
  const { code, stdout, stderr } = await runToEnd(process.execPath, ["scripts/import.ts", ...args]);

  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(named);
});

test("import --help says what there is", async () => {
  const { code, stdout } = await runToEnd(process.execPath, ["scripts/import.ts", "--help"]);

  expect(code).toBe(0);
  expect(stdout).toContain("--request-id");
});
