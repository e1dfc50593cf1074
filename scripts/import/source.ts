import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { CommerceClient, CommittedChunk } from "../../client/src/index.ts";
import { readLines, type Checkpoint, type Lines } from "./lines.ts";
import type { Options } from "./options.ts";
import { createQueue, type Queue } from "./queue.ts";
import type { State } from "./resume.ts";
import { readItems, readOrders } from "./rows.ts";
import { sendItems, sendOrders } from "./send.ts";

/** The source of an import: its rows, and how they are sent. */
export type Source = AsyncDisposable & {
  readonly queue: Queue<unknown>;
  readonly lines: Lines;
  /** The size in bytes, if it is a file. */
  readonly bytes: number | undefined;
  send(client: CommerceClient): AsyncIterable<CommittedChunk>;
};

/**
 * Opens the source after the rows that were answered before. Throws, before anything is sent, if it is no
 * valid import or not the one that was begun.
 */
export async function openSource({ file, isItems }: Options, state: State): Promise<Source> {
  await using opening = new AsyncDisposableStack();
  const opened = file === "-" ? undefined : opening.use(await openFile(file));
  const about = await opened?.stat();
  if (about?.isDirectory()) throw new Error(`${file} is a directory`);
  const lines = readLines(opened?.createReadStream({ autoClose: false }) ?? process.stdin);
  const { queue, send } = isItems ? toItems(lines, state) : toOrders(lines, state);
  await queue.begin();
  const held = opening.move();
  const bytes = about?.isFile() ? about.size : undefined;
  return { queue, lines, bytes, send, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function toOrders(lines: Lines, state: State): Pick<Source, "queue" | "send"> {
  const queue = createQueue(readOrders(lines), state, { bytesMax: 2 ** 18 });
  return { queue, send: (client) => sendOrders(client, queue, state.requestId) };
}

function toItems(lines: Lines, state: State): Pick<Source, "queue" | "send"> {
  const queue = createQueue(readItems(lines), state, { bytesMax: 2 ** 21 });
  return { queue, send: (client) => sendItems(client, queue, state.requestId) };
}

async function openFile(file: string) {
  return await open(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `${file} cannot be read: ${error.code === "ENOENT" ? "there is no such file" : error.code}`,
    );
  });
}

/** Throws for a file that has changed since it was imported: the changes are not imported. */
export async function expectUnchanged(file: string, checkpoint: Checkpoint | undefined): Promise<void> {
  if (checkpoint === undefined || file === "-") return;
  const about = await stat(file);
  if (!about.isFile()) return;
  const crc = about.size === checkpoint.bytes ? await readChecksum(file) : undefined;
  if (crc === checkpoint.crc32) return;
  throw new Error(
    `${file} has changed since it was imported (${checkpoint.bytes} bytes then, ${about.size} now); ` +
      "new rows belong into a file of their own, and another file needs another --resume",
  );
}

async function readChecksum(file: string): Promise<number> {
  let sum = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) sum = crc32(chunk, sum);
  return sum;
}
