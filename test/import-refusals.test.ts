import { expect, test } from "vitest";
import { readLines } from "../scripts/import/lines.ts";
import { readItems, readOrders, type Row, type Rows } from "../scripts/import/rows.ts";

const order = "5220b79e-d40c-5168-9f86-e3cc2ec6b7ff";
const heading = "order_id,product_id,quantity,unit_price,currency,note";
const good = `${order},${order},1,0.05,EUR,`;

async function* toInput(...parts: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part);
}

async function readAll<T>(rows: Rows<T>): Promise<Row<T>[]> {
  const all: Row<T>[] = [];
  for await (const some of rows) all.push(...some);
  return all;
}

/** The lines of a file's rows, and of those that cannot be read also why. */
async function seen(rows: Rows<unknown>): Promise<(number | [number, string])[]> {
  return (await readAll(rows)).map(({ line, problem }) => (problem === undefined ? line : [line, problem]));
}

const items = (...parts: readonly (string | Buffer)[]) => seen(readItems(readLines(toInput(...parts))));
const orders = (...parts: readonly (string | Buffer)[]) => seen(readOrders(readLines(toInput(...parts))));

const badQuote = "a quote is not closed, or stands inside a cell without being doubled";

test("a record of several lines has the number of its first one", async () => {
  const rows = await items(`${heading}\r\n${good}"a\r\nb\rc"\r\n\r\n,,,,,\r\n${good}\r\n${good}"x\n"`);

  expect(rows).toEqual([2, 7, 8]);
});

test("a quote that is never closed costs its own row and no other", async () => {
  const rows = await items(`${heading}\n${good}\n${good}"never closed\n${good}\n${good}`);

  expect(rows).toEqual([2, [3, badQuote], 4, 5]);
});

test("two rows with a quote too many are refused, and those between them are read", async () => {
  const rows = await items(`${heading}\n${good}"\n${good}\n${good}",x\n${good}"a, ""b"""`);

  expect(rows).toEqual([[2, badQuote], 3, [4, badQuote], 5]);
});

test("a line without an end is refused by its number, and the next one is read", async () => {
  const long = Array.from({ length: 40 }, () => "x".repeat(65_536));

  const rows = await items(`${heading}\n${good}"`, ...long, `\r\n${good}`, ...long, `\n${good}`);

  const problem = "the line has over 1048576 bytes";
  expect(rows).toEqual([[2, problem], [3, problem], 4]);
});

test("a row that is not UTF-8 is refused by its number", async () => {
  const rows = await items(`${heading}\n${good}"a\n`, Buffer.from([0xfc]), `"\n${good}`);

  expect(rows).toEqual([[2, "the line is not UTF-8"], 4]);
});

test.each([
  ["quantity", `${order},${order},"1,000",0.05,EUR,`, "the quantity 1,000 is not a whole number"],
  ["surplus cell", `${order},${order},1,1,50,EUR,`, "the row has 7 cells and the heading 6"],
  ["missing cell", `${order},${order},1,1.50,EUR`, "the row has 5 cells and the heading 6"],
  ["price", `${order},${order},1,"1,50",EUR,`, "the price 1,50 is not a decimal such as 9.99"],
  ["empty cell", `${order},,1,1.50,,`, "no product_id, currency"],
])("a row of CSV is refused for its %s, which is said", async (_, row, problem) => {
  expect(await items(`${heading}\n${row}\n${good}`)).toEqual([[2, problem], 3]);
});

test.each([
  ["units", "9007199254740993", "is too large for a number of JSON; put it in quotes"],
  ["units", '"  "', "is not a whole number in plain digits"],
  ["units", "null", "is not a whole number in plain digits"],
  ["nanos", "1e3", "is not a whole number in plain digits"],
])("an order is refused whose %s are %s, which would be stored as others", async (field, value, problem) => {
  const line = `{"items": [{"unitPrice": {"${field}": ${value}}}]}`;

  expect(await orders(`{}\n${line}\n`)).toEqual([1, [2, `${field}: ${value} ${problem}`]]);
});

test("an order with a field that is not known is refused, and the field is named", async () => {
  expect(await orders('{"note": 1}\n{}')).toEqual([[1, expect.stringContaining('"note" is unknown')], 2]);
});

test("numbers of 64 bits in quotes are read exactly", async () => {
  const line = '{"items": [{"quantity": "3", "unitPrice": {"units": "9007199254740993"}}]}';
  const [row] = await readAll(readOrders(readLines(toInput(line))));

  expect(row!.message.items[0]).toMatchObject({ quantity: 3, unitPrice: { units: 9_007_199_254_740_993n } });
});

test.each([
  ["order_id;product_id;quantity;unit_price;currency", 'has ";" between its cells; use commas'],
  ["order_id\tproduct_id\tquantity", 'has "\\t" between its cells; use commas'],
  ["sep=,\norder_id,product_id,quantity,unit_price,currency", 'line 1 is "sep=,"; remove it'],
  ["order_id,product_id,quantity,price", "has no unit_price, currency"],
  ["\r\norder_id,product_id,quantity,unit_price,unit_price,currency", "in line 2 has unit_price twice"],
  ['order_id,"product_id,quantity', "cannot be read: a quote is not closed"],
  ["\n,,\n", "the file has no heading; it needs order_id,product_id,quantity,unit_price,currency"],
])("a file of items that begins with %j is none, and why is said", async (beginning, problem) => {
  await expect(items(beginning)).rejects.toThrow(problem);
});

test("a heading alone is a file without rows, as is an empty file of orders", async () => {
  expect([await items(heading), await orders("")]).toEqual([[], []]);
});

test.each([
  ["a JSON array", "\u{FEFF}\n [{}]\n", "jq -c '.[]'"],
  ["a long JSON array", `[${"{},".repeat(1_000_000)}{}]`, "jq -c '.[]'"],
  ["UTF-16", Buffer.from("\u{FEFF}{}\n", "utf16le"), "the file is UTF-16, or not text at all"],
  ["UTF-16 without a mark", Buffer.from("{}\n", "utf16le"), "the file is UTF-16, or not text at all"],
])("a file that is %s is no file of orders, and that is said", async (_, bytes, problem) => {
  await expect(orders(bytes)).rejects.toThrow(problem);
});
