import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createQueue } from "../scripts/import/queue.ts";
import { sendUntilAnswered } from "../scripts/import/send.ts";
import type { Rows } from "../scripts/import/rows.ts";
import { CommittedChunkSchema } from "../src/gen/commerce/order/v1/order_service_pb.ts";

const end = { bytes: 1, crc32: 1 };

async function* toRows(count: number, error?: Error): Rows<string> {
  for (let line = 1; line <= count; line += 1) yield [{ line, end, message: `row ${line}` }];
  if (error) throw error;
}

const fromStart = { nextIndex: 0, checkpoint: undefined };
const bounds = { bytesMax: 1_000 };
const chunkOf = (index: number) =>
  create(CommittedChunkSchema, { firstIndex: BigInt(index), lastIndex: BigInt(index), insertedCount: 1 });

test("calls that end after all their rows were answered are followed by others, however many", async () => {
  const queue = createQueue(toRows(20), fromStart, bounds);
  const send = async function* () {
    yield chunkOf(queue.nextIndex);
    throw new ConnectError("the call was idle", Code.DeadlineExceeded);
  };

  await sendUntilAnswered(queue, send, async ({ lastIndex }) => void queue.acknowledge(Number(lastIndex)));

  expect(queue.nextIndex).toBe(20);
});

test("a call that ends well before its rows are answered is followed by another", async () => {
  const queue = createQueue(toRows(3), fromStart, bounds);
  let calls = 0;
  const send = async function* () {
    if (++calls > 1) yield chunkOf(queue.nextIndex);
  };

  await sendUntilAnswered(queue, send, async ({ lastIndex }) => void queue.acknowledge(Number(lastIndex)));

  expect([queue.nextIndex, calls]).toEqual([3, 4]);
});

test("an input that cannot be read any further is not taken for its end", async () => {
  const queue = createQueue(toRows(1, new Error("the disk is gone")), fromStart, bounds);
  // A client says of requests that cannot be made that the call was cancelled.
  const send = async function* () {
    try {
      for await (const rows of queue.sendAll()) yield chunkOf(queue.nextIndex + rows.length - 1);
    } catch {
      throw new ConnectError("the requests have ended", Code.Canceled);
    }
  };

  const sent = sendUntilAnswered(
    queue,
    send,
    async ({ lastIndex }) => void queue.acknowledge(Number(lastIndex)),
  );

  await expect(sent).rejects.toThrow("the disk is gone");
});

test.each([
  ["other rows", 2, { bytes: 1, crc32: 2 }],
  ["fewer rows", 4, end],
])("a file that has %s than were imported is not gone on with", async (_, nextIndex, checkpoint) => {
  const queue = createQueue(toRows(3), { nextIndex, checkpoint }, bounds);

  await expect(queue.hasRows()).rejects.toThrow("the rows that were imported have changed since");
});
