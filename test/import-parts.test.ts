import { randomUUID } from "node:crypto";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { readRecords } from "../scripts/import/csv.ts";
import { createQueue } from "../scripts/import/queue.ts";
import { cutRefusals } from "../scripts/import/refusals.ts";
import { readState, writeState } from "../scripts/import/resume.ts";
import type { Rows } from "../scripts/import/rows.ts";

async function* toRows(count: number, bytes = 1): Rows<string> {
  const rows = Array.from({ length: count }, (_, n) => n + 1);
  yield rows.map((line) => ({ line, end: { bytes: line * bytes, crc32: 1 }, message: `row ${line}` }));
}

test("quotes that are doubled within a cell are one", async () => {
  async function* lines() {
    yield [{ number: 1, text: 'a,"the ""best"" lamp",""', end: { bytes: 24, crc32: 1 } }];
  }

  const { value: records } = await readRecords(lines()).next();

  expect(records).toMatchObject([{ cells: ["a", 'the "best" lamp', ""] }]);
});

test("rows are sent in pieces of so many bytes, of one row at least", async () => {
  const sent = async (bytesMax: number): Promise<number[]> => {
    const queue = createQueue(toRows(10, 4), { nextIndex: 0, checkpoint: undefined }, { bytesMax });
    const pieces: number[] = [];
    for await (const rows of queue.read()) pieces.push(rows.length);
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
