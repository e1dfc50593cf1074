import { randomUUID } from "node:crypto";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { readRecords } from "../scripts/import/csv.ts";
import { createQueue } from "../scripts/import/queue.ts";
import { cutRefusals } from "../scripts/import/refusals.ts";
import { readState, writeState } from "../scripts/import/resume.ts";
import type { Rows } from "../scripts/import/rows.ts";
import { sendUntilAnswered } from "../scripts/import/send.ts";
import { CommittedChunkSchema } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { tooLarge } from "../src/errors.ts";
import { toConnectError } from "../src/rpc/status.ts";

async function* toRows(count: number, bytes = 1): Rows<string> {
  const rows = Array.from({ length: count }, (_, n) => n + 1);
  yield rows.map((line) => ({ line, end: { bytes: line * bytes, crc32: 1 }, message: `row ${line}` }));
}

const fromStart = { nextIndex: 0, checkpoint: undefined };

/** How an import ends each of whose calls fails, and after how many calls. */
async function importAgainst(
  error: ConnectError,
): Promise<{ readonly calls: number; readonly end: unknown }> {
  const queue = createQueue(toRows(1), fromStart, { bytesMax: 1_000 });
  let calls = 0;
  const send = async function* () {
    calls += 1;
    yield* [];
    throw error;
  };
  try {
    await sendUntilAnswered(queue, send, async () => {});
    return { calls, end: undefined };
  } catch (end) {
    return { calls, end };
  }
}

// The waits between the calls take the six seconds in which a server restarts.
test("an import gives up after seven calls in a row that brought nothing", async () => {
  const away = new ConnectError("nothing listens there", Code.Unavailable);

  expect(await importAgainst(away)).toEqual({ calls: 7, end: away });
});

test("an import goes on for as long as each of its calls brings something", async () => {
  const queue = createQueue(toRows(9), fromStart, { bytesMax: 1_000 });
  const send = async function* () {
    const lastIndex = BigInt(queue.nextIndex);
    yield create(CommittedChunkSchema, { firstIndex: lastIndex, lastIndex, insertedCount: 1 });
    throw new ConnectError("the server restarts", Code.Unavailable);
  };

  await sendUntilAnswered(queue, send, async ({ lastIndex }) => void queue.acknowledge(Number(lastIndex)));

  expect(queue.nextIndex).toBe(9);
});

test("quotes that are doubled within a cell are one", async () => {
  async function* lines() {
    yield [{ number: 1, text: 'a,"the ""best"" lamp",""', end: { bytes: 24, crc32: 1 } }];
  }

  const { value: records } = await readRecords(lines()).next();

  expect(records).toMatchObject([{ cells: ["a", 'the "best" lamp', ""] }]);
});

test("an import does not send again what is too large for any call", async () => {
  const large = toConnectError(tooLarge(16));

  expect(await importAgainst(large)).toEqual({ calls: 1, end: large });
});

test("an import does not send again what was refused", async () => {
  const refused = new ConnectError("this token may not write", Code.PermissionDenied);

  expect(await importAgainst(refused)).toEqual({ calls: 1, end: refused });
});

test("rows are sent in pieces of so many bytes, of one row at least", async () => {
  const sent = async (bytesMax: number): Promise<number[]> => {
    const queue = createQueue(toRows(10, 4), fromStart, { bytesMax });
    const pieces: number[] = [];
    for await (const rows of queue.sendAll()) pieces.push(rows.length);
    return pieces;
  };

  expect(await sent(16)).toEqual([5, 5]);
  expect(await sent(15)).toEqual([4, 4, 2]);
  expect(await sent(1)).toEqual(Array.from({ length: 10 }, () => 1));
});

test("the list of refused rows is cut to what the resume file knows of", async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-refusals-"));
  const file = path.join(directory.path, "refused");
  await writeFile(file, "first\nsecond\n");

  const cut = [await cutRefusals(file, 6), await cutRefusals(file, 60), await cutRefusals(undefined, 6)];

  expect(cut).toEqual([6, 6, 0]);
  expect(await readFile(file, "utf8")).toBe("first\n");
});

test("a resume file belongs to its request id", async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-resume-"));
  const file = path.join(directory.path, "resume");
  const [requestId, otherId] = [randomUUID(), randomUUID()];
  await writeState(file, await readState(file, requestId));

  expect((await readState(file, undefined)).requestId).toBe(requestId);
  expect((await readState(file, requestId)).requestId).toBe(requestId);
  await expect(readState(file, otherId)).rejects.toThrow(`belongs to the request id ${requestId}`);
});
