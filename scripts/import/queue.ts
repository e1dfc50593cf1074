import type { State } from "./resume.ts";
import type { Row, Rows } from "./rows.ts";

/**
 * The rows of an import between the input and their answers. It keeps the rows that have no answer: their
 * lines are in no answer. The service bounds their number, because it does not read further ahead than it
 * can write.
 */
export type Queue<Message> = {
  /** The index of the first row without an answer. */
  readonly nextIndex: number;
  /** Reads up to the first row that was not answered before. Throws for an input that is no import. */
  begin(): Promise<void>;
  /** Yields all rows without an answer, some at a time, as the input provides them. */
  read(): AsyncGenerator<readonly Row<Message>[]>;
  /** Removes the rows up to an index and returns them. */
  acknowledge(lastIndex: number): readonly Row<Message>[];
};

/** Creates a queue on the rows of an input, the first of which may have been answered before. */
export function createQueue<Message>(
  input: Rows<Message>,
  { nextIndex: skipped, checkpoint }: Pick<State, "nextIndex" | "checkpoint">,
  { bytesMax }: { readonly bytesMax: number },
): Queue<Message> {
  let open: Row<Message>[] = [];
  let nextIndex = skipped;
  let left = skipped;
  let isAtEnd = false;

  async function readOn(): Promise<void> {
    const { done, value = [] } = await input.next();
    if (left > 0 && (done || value.length >= left)) {
      const last = value[left - 1]?.end;
      const isSame = checkpoint === undefined || last?.crc32 === checkpoint.crc32;
      if (last === undefined || !isSame) throw new Error("the rows that were imported have changed since");
    }
    const fresh = value.slice(left);
    left -= value.length - fresh.length;
    open = [...open, ...fresh];
    isAtEnd = done === true;
  }

  return {
    get nextIndex() {
      return nextIndex;
    },
    async begin() {
      while (open.length === 0 && !isAtEnd) await readOn();
    },
    async *read() {
      for (let cursor = nextIndex; ;) {
        const fresh = takeBytes(open.slice(cursor - nextIndex), bytesMax);
        cursor += fresh.length;
        if (fresh.length > 0) yield fresh;
        else if (isAtEnd) return;
        else await readOn();
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

/** Returns the first rows, at least one, up to a number of bytes of the input. */
function takeBytes<Message>(rows: readonly Row<Message>[], bytesMax: number): readonly Row<Message>[] {
  const [first] = rows;
  const end = rows.findIndex((row) => row.end.bytes - first!.end.bytes > bytesMax);
  return end === -1 ? rows : rows.slice(0, end);
}
