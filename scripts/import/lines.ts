import { isUtf8 } from "node:buffer";
import { crc32 } from "node:zlib";

/** A position in an input. The checksum detects another input of the same length. */
export type Checkpoint = { readonly bytes: number; readonly crc32: number };

/** A line of the input, without its end. */
export type Line = {
  /** Starts at 1. */
  readonly number: number;
  readonly text: string;
  /** Why the text is not exactly the line of the file. */
  readonly problem?: string;
  /** The position after this line and its end. */
  readonly end: Checkpoint;
};

/** The lines of an input, as they arrive. */
export type Lines = AsyncIterable<readonly Line[]> & {
  /** The position up to which the input was read. */
  readonly end: Checkpoint;
};

/** The largest row that the service accepts. JSON and CSV are never much shorter than its messages. */
export const lineBytesMax = 2 ** 20;
/** Bytes kept of a longer line: enough to recognize it. */
const headBytes = 100;
const [lf, cr] = [0x0a, 0x0d];

/**
 * Reads lines of UTF-8 that end with LF, CRLF or CR, in any mixture; a byte order mark is skipped. The memory
 * is bounded, however long a line is. Throws for UTF-16.
 */
export function readLines(input: AsyncIterable<Buffer>): Lines {
  let end: Checkpoint = { bytes: 0, crc32: 0 };
  let number = 0;
  /** The beginning of a line that is too long; the rest is not kept. */
  let head: Buffer | undefined;
  const pass = (bytes: Buffer): void => {
    end = { bytes: end.bytes + bytes.length, crc32: crc32(bytes, end.crc32) };
  };

  /** Adds the lines that end in `bytes` and returns the rest. */
  function split(bytes: Buffer, isLast: boolean, lines: Line[]): Buffer {
    let start = 0;
    for (const { at, next } of findEnds(bytes, isLast)) {
      pass(bytes.subarray(start, next));
      number += 1;
      const content = head ?? bytes.subarray(start, at);
      if (number === 1) expectText(content);
      const isLong = head !== undefined || content.length > lineBytesMax;
      lines.push({ number, ...toText(content, isLong, number === 1), end });
      head = undefined;
      start = next;
    }
    const rest = bytes.subarray(start);
    if (head === undefined && rest.length <= lineBytesMax) return rest;
    head ??= Buffer.from(rest.subarray(0, headBytes));
    // The last byte may be the first half of CRLF.
    pass(rest.subarray(0, -1));
    return rest.subarray(-1);
  }

  return {
    get end() {
      return end;
    },
    async *[Symbol.asyncIterator]() {
      let rest: Buffer = Buffer.alloc(0);
      for await (const chunk of input) {
        const lines: Line[] = [];
        rest = split(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), false, lines);
        yield lines;
      }
      const lines: Line[] = [];
      split(rest, true, lines);
      yield lines;
    },
  };
}

/** Yields where lines end, and where the next ones begin. */
function* findEnds(
  bytes: Buffer,
  isLast: boolean,
): Generator<{ readonly at: number; readonly next: number }> {
  let next = 0;
  for (let at = 0; at < bytes.length; at = Math.max(at + 1, next)) {
    if (bytes[at] !== lf && bytes[at] !== cr) continue;
    // The next bytes decide between CR and CRLF.
    if (bytes[at] === cr && at + 1 === bytes.length && !isLast) return;
    next = bytes[at] === cr && bytes[at + 1] === lf ? at + 2 : at + 1;
    yield { at, next };
  }
  if (isLast && next < bytes.length) yield { at: bytes.length, next: bytes.length };
}

function toText(content: Buffer, isLong: boolean, isFirst: boolean): Pick<Line, "text" | "problem"> {
  if (isLong)
    return {
      text: content.toString("utf8", 0, headBytes),
      problem: `the line has over ${lineBytesMax} bytes`,
    };
  // Decoded with one character per byte, the line still shows its quotes.
  if (!isUtf8(content)) return { text: content.toString("latin1"), problem: "the line is not UTF-8" };
  const text = content.toString();
  return { text: isFirst ? text.replace(/^\u{FEFF}/u, "") : text };
}

/** UTF-16 begins with a byte order mark or contains zero bytes, like most binary data. */
function expectText(content: Buffer): void {
  const [first, second] = content;
  const hasMark = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  if (hasMark || content.includes(0))
    throw new Error("the file is UTF-16, or not text at all: save it as text in UTF-8");
}
