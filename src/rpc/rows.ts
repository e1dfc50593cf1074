import {
  type DescField,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type Message,
} from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { type DomainError, invalid } from "../db/errors.ts";
import { OrderService } from "../gen/commerce/order/v1/order_service_pb.ts";

/**
 * An import in one request may be this large, 70,000 orders of three items: a file of a usual size. A stream
 * of requests has no use for large ones, and many of them may wait.
 */
const IMPORT_BYTES_MAX = 16 * 2 ** 20;

/** More than there is room for: no sound row has fewer than 32 bytes. */
const ROWS_MAX = IMPORT_BYTES_MAX / 32;

/** The fields beside the rows have some 60 bytes; those that we do not know of are a newer caller's. */
const REST_BYTES_MAX = 4_096;

const { importOrders, importOrderItems } = OrderService.method;

/** The field with the rows, of a method whose requests are imports. */
export function rowsFieldOf(method: DescMethod): DescField | undefined {
  if (method === importOrders) return importOrders.input.field.orders;
  return method === importOrderItems ? importOrderItems.input.field.items : undefined;
}

/** A request whose rows are still bytes. */
export type Unread = {
  /** The request without its rows. */
  readonly message: Message;
  /** Its rows, each decoded when it is taken, or why one cannot be. */
  readonly rows: Iterable<Message | DomainError>;
};

/**
 * Splits a request into its rows, which are the messages of a repeated field, and the rest. A large request
 * decoded as a whole would keep all other calls waiting, and one of empty rows would take many times its size
 * in memory. Throws where the bytes are not a message, or not one of a sound caller.
 */
export function splitRows(schema: DescMessage, field: DescField, bytes: Uint8Array): Unread {
  if (field.message === undefined) throw new Error(`${field.name} has no messages`);
  const { message: row } = field;
  const rest: Uint8Array[] = [];
  let [after, restBytes, count] = [0, 0, 0];
  for (const { start, end } of findRows(bytes, field.number)) {
    if (start > after) rest.push(bytes.subarray(after, start));
    restBytes += start - after;
    after = end;
    if (++count > ROWS_MAX || restBytes > REST_BYTES_MAX) throw new RangeError("not a sound request");
  }
  rest.push(bytes.subarray(after));
  const rows = {
    *[Symbol.iterator]() {
      for (const { content, end } of findRows(bytes, field.number))
        yield decode(row, bytes.subarray(content, end));
    },
  };
  return { message: fromBinary(schema, Buffer.concat(rest)), rows };
}

type Place = { readonly start: number; readonly content: number; readonly end: number };

/** Where the messages of a field begin, with their tag and without, and end. */
function* findRows(bytes: Uint8Array, number: number): Generator<Place> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [found, wireType] = reader.tag();
    if (found !== number) {
      reader.skip(wireType, found);
      continue;
    }
    if (wireType !== WireType.LengthDelimited) throw new RangeError("a row is not a message");
    const length = reader.uint32();
    const content = reader.pos;
    reader.pos += length;
    if (reader.pos > reader.len) throw new RangeError("a row ends behind the end of its request");
    yield { start, content, end: reader.pos };
  }
}

/** An order of 1000 items has some 130 kB. */
const ROW_BYTES_MAX = 2 ** 20;

function decode(schema: DescMessage, bytes: Uint8Array): Message | DomainError {
  if (bytes.length > ROW_BYTES_MAX) return invalid("row", `has over ${ROW_BYTES_MAX} bytes`, "MALFORMED_ROW");
  try {
    return fromBinary(schema, bytes);
  } catch {
    return invalid("row", "is not a message of this kind", "MALFORMED_ROW");
  }
}
