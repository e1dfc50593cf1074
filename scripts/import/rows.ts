import { create, fromJsonString, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { OrderDraftSchema, OrderItemDraftSchema } from "../../client/src/index.ts";
import { parseDecimal } from "../demo/money.ts";
import { readRecords, type CsvRecord } from "./csv.ts";
import { expectExactNumbers } from "./numbers.ts";
import type { Checkpoint, Line } from "./lines.ts";

/** A row of the input: its position, its message, and the problem if it cannot be read. */
export type Row<Message> = {
  /** The number of its first line. */
  readonly line: number;
  /** The position after this row. */
  readonly end: Checkpoint;
  /** Empty for a row that cannot be read: it keeps its index, and the service refuses it. */
  readonly message: Message;
  readonly problem?: string;
};

/** Rows that arrived together. */
export type Rows<Message> = AsyncGenerator<readonly Row<Message>[]>;

type OrderDraft = MessageShape<typeof OrderDraftSchema>;
type OrderItemDraft = MessageShape<typeof OrderItemDraftSchema>;

/**
 * Reads orders from lines, each the proto3 JSON of a commerce.order.v1.OrderDraft. Skips empty lines. Throws
 * before the first row for a file that is an array.
 */
export async function* readOrders(lines: AsyncIterable<readonly Line[]>): Rows<OrderDraft> {
  let isBegun = false;
  for await (const some of lines) {
    const filled = some.filter(({ text }) => text.trim() !== "");
    if (!isBegun && filled[0]?.text.trimStart().startsWith("["))
      throw new Error(
        "the file is a JSON array; an import reads an object a line, as `jq -c '.[]'` writes them",
      );
    isBegun ||= filled.length > 0;
    yield filled.map(({ number, end, text, problem }) => ({
      line: number,
      end,
      ...attempt(OrderDraftSchema, problem, () => {
        expectExactNumbers(text);
        return fromJsonString(OrderDraftSchema, text);
      }),
    }));
  }
}

/** Rows of CSV per request: 10,000 take 1.2 MB of it. */
const requestRows = 10_000;
const columns = ["order_id", "product_id", "quantity", "unit_price", "currency"] as const;
type Column = (typeof columns)[number];

/**
 * Reads items from CSV with a heading: order_id, product_id, quantity, unit_price such as 9.99, currency, in
 * any order and among other columns. Skips empty records. Throws before the first row for another heading.
 */
export async function* readItems(lines: AsyncIterable<readonly Line[]>): Rows<OrderItemDraft> {
  let heading: readonly string[] | undefined;
  let rows: Row<OrderItemDraft>[] = [];
  for await (const records of readRecords(lines)) {
    for (const record of records.filter(isFilled)) {
      const { line, end, problem, cells } = record;
      if (heading === undefined) heading = expectHeading(record);
      else rows.push({ line, end, ...attempt(OrderItemDraftSchema, problem, () => toItem(heading!, cells)) });
    }
    if (rows.length < requestRows) continue;
    yield rows;
    rows = [];
  }
  if (heading === undefined) throw new Error(`the file has no heading; it needs ${columns.join(",")}`);
  yield rows;
}

/** Spreadsheets write empty rows, too, as commas. */
function isFilled({ cells, problem }: CsvRecord): boolean {
  return problem !== undefined || cells.some((cell) => cell !== "");
}

function expectHeading({ cells, line, problem }: CsvRecord): readonly string[] {
  if (problem !== undefined) throw new Error(`the heading in line ${line} cannot be read: ${problem}`);
  if (/^sep=/i.test(cells[0]!)) throw new Error(`line ${line} is "${cells.join(",")}"; remove it`);
  const [separator] = cells.length === 1 ? (/[;\t|]/.exec(cells[0]!) ?? []) : [];
  if (separator !== undefined)
    throw new Error(
      `the heading in line ${line} has ${JSON.stringify(separator)} between its cells; use commas`,
    );
  const missing = columns.filter((name) => !cells.includes(name));
  const repeated = columns.filter((name) => cells.indexOf(name) !== cells.lastIndexOf(name));
  if (missing.length > 0) throw new Error(`the heading in line ${line} has no ${missing.join(", ")}`);
  if (repeated.length > 0) throw new Error(`the heading in line ${line} has ${repeated.join(", ")} twice`);
  return cells;
}

function toItem(heading: readonly string[], cells: readonly string[]): OrderItemDraft {
  if (cells.length !== heading.length)
    throw new Error(`the row has ${cells.length} cells and the heading ${heading.length}`);
  const read = (name: Column): string => cells[heading.indexOf(name)]!;
  const missing = columns.filter((name) => read(name) === "");
  if (missing.length > 0) throw new Error(`no ${missing.join(", ")}`);
  const quantity = read("quantity");
  if (!/^\d{1,9}$/.test(quantity)) throw new Error(`the quantity ${quantity} is not a whole number`);
  const unitPrice = { currencyCode: read("currency"), ...parseDecimal(read("unit_price")) };
  const item = { productId: read("product_id"), quantity: Number(quantity), unitPrice };
  return create(OrderItemDraftSchema, { orderId: read("order_id"), item });
}

function attempt<D extends DescMessage>(
  schema: D,
  problem: string | undefined,
  read: () => MessageShape<D>,
): Pick<Row<MessageShape<D>>, "message" | "problem"> {
  try {
    if (problem === undefined) return { message: read() };
    return { message: create(schema), problem };
  } catch (error) {
    return { message: create(schema), problem: (error as Error).message };
  }
}
