import type { Readable } from "node:stream";
import { create, fromJsonString, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { parse } from "csv-parse";
import { OrderDraftSchema, OrderItemDraftSchema } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { parseDecimal } from "../demo/money.ts";

/** A row of the input: where it stands, what it asks for and, if that cannot be read, why. */
export type Row<Message> = {
  readonly line: number;
  /** The bytes of the input up to the end of this row; for CSV about that. */
  readonly bytesRead: number;
  /** Empty for a row that cannot be read: it keeps its index, and the service refuses it. */
  readonly message: Message;
  readonly problem?: string;
};

/** Rows that arrived together. */
export type Rows<Message> = AsyncIterable<readonly Row<Message>[]>;

/** Reads orders from lines, the proto3 JSON of a commerce.order.v1.OrderDraft each. Empty lines are none. */
export async function* readOrders(input: Readable): Rows<MessageShape<typeof OrderDraftSchema>> {
  let [rest, line, bytesRead] = ["", 0, 0];
  const toRows = (lines: readonly string[]) =>
    lines.flatMap((text) => {
      line += 1;
      bytesRead += Buffer.byteLength(text) + 1;
      if (text.trim() === "") return [];
      const read = attempt(OrderDraftSchema, () => fromJsonString(OrderDraftSchema, text));
      return [{ line, bytesRead, ...read }];
    });
  for await (const chunk of input.setEncoding("utf8") as AsyncIterable<string>) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    yield toRows(lines);
  }
  yield toRows([rest]);
}

/** Rows of CSV that go into one request: 10,000 are 1.2 MB of it. */
const requestRows = 10_000;
const columns = ["order_id", "product_id", "quantity", "unit_price", "currency"] as const;

/** Reads items from CSV with a heading: order_id, product_id, quantity, unit_price such as 9.99, currency. */
export async function* readItems(input: Readable): Rows<MessageShape<typeof OrderItemDraftSchema>> {
  const parser = parse({
    columns: true,
    skip_empty_lines: true,
    trim: true,
    bom: true,
    relax_column_count: true,
  });
  input.on("error", (error) => parser.destroy(error)).pipe(parser);
  let rows: Row<MessageShape<typeof OrderItemDraftSchema>>[] = [];
  for await (const record of parser as AsyncIterable<Record<string, string>>) {
    const { lines: line, bytes: bytesRead } = parser.info;
    rows.push({ line, bytesRead, ...attempt(OrderItemDraftSchema, () => toItem(record)) });
    if (rows.length < requestRows) continue;
    yield rows;
    rows = [];
  }
  yield rows;
}

function toItem(record: Record<string, string>): MessageShape<typeof OrderItemDraftSchema> {
  const missing = columns.filter((name) => (record[name] ?? "") === "");
  if (missing.length > 0) throw new Error(`no ${missing.join(", ")}`);
  const { order_id: orderId, product_id: productId, quantity, unit_price: price, currency } = record;
  if (!/^\d{1,9}$/.test(quantity!)) throw new Error(`the quantity ${quantity} is not a whole number`);
  const unitPrice = { currencyCode: currency!, ...parseDecimal(price!) };
  const item = { productId: productId!, quantity: Number(quantity), unitPrice };
  return create(OrderItemDraftSchema, { orderId: orderId!, item });
}

function attempt<D extends DescMessage>(
  schema: D,
  read: () => MessageShape<D>,
): { readonly message: MessageShape<D>; readonly problem?: string } {
  try {
    return { message: read() };
  } catch (error) {
    return { message: create(schema), problem: (error as Error).message };
  }
}
