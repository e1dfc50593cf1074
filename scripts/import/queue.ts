import type { Row, Rows } from "./rows.ts";

/**
 * The rows of an import between the input and their answers. It keeps those that were read and not answered,
 * so that they can be sent again also where the input cannot be read twice; how many these are is bounded by
 * the service, which does not read further ahead than it can write.
 */
export type Queue<Message> = {
  /** The index of the first row that was not answered. */
  readonly nextIndex: number;
  /** All rows from the first that was not answered, some at a time, as the input has them. */
  sendAll(): AsyncGenerator<readonly Row<Message>[]>;
  /** Forgets the rows up to an index and returns them. */
  acknowledge(lastIndex: number): readonly Row<Message>[];
};

/** A queue behind the rows of an input, the first `skipped` of which were answered before. */
export function createQueue<Message>(
  rows: Rows<Message>,
  skipped: number,
  { bytesMax }: { readonly bytesMax: number },
): Queue<Message> {
  const input = rows[Symbol.asyncIterator]();
  let open: Row<Message>[] = [];
  let nextIndex = skipped;
  let left = skipped;
  let isAtEnd = false;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const { done, value } = await input.next();
    reading = undefined;
    if (done) isAtEnd = true;
    else {
      const fresh = value.slice(left);
      left -= value.length - fresh.length;
      open = [...open, ...fresh];
    }
  }

  return {
    get nextIndex() {
      return nextIndex;
    },
    async *sendAll() {
      for (let cursor = nextIndex; ;) {
        const fresh = takeBytes(open.slice(cursor - nextIndex), bytesMax);
        cursor += fresh.length;
        if (fresh.length > 0) yield fresh;
        else if (isAtEnd) return;
        // One reading at a time: what a stream that broke has begun to read is for the next one.
        else await (reading ??= read());
      }
    },
    acknowledge(lastIndex) {
      const answered = open.slice(0, lastIndex + 1 - nextIndex);
      open = open.slice(answered.length);
      nextIndex += answered.length;
      return answered;
    },
  };
}

/** The first rows, at least one, of so many bytes of the input. */
function takeBytes<Message>(rows: readonly Row<Message>[], bytesMax: number): readonly Row<Message>[] {
  const [first] = rows;
  const end = rows.findIndex(({ bytesRead }) => bytesRead - first!.bytesRead > bytesMax);
  return end === -1 ? rows : rows.slice(0, end);
}
