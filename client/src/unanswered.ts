import type { MessageInitShape } from "@bufbuild/protobuf";
import type { IngestOrdersRequestSchema } from "./gen/commerce/order/v1/order_service_pb.ts";

type Request = MessageInitShape<typeof IngestOrdersRequestSchema>;
type Orders = NonNullable<Request["orders"]>;

/** Orders that were read together, and the index of the first one within the import. */
type Piece = { readonly index: bigint; readonly orders: Orders };

/** The orders of a source between being read and being answered: an attempt that follows sends them again. */
export type Unanswered = {
  /** Waits until there is an order to be answered or the source has ended; returns which. */
  readonly wait: () => Promise<boolean>;
  /** Whether orders that were read have no answer yet. */
  readonly isWaiting: () => boolean;
  /** Throws what the source has thrown. */
  readonly expectReadable: () => void;
  /** Yields the orders that have no answer, and then those that the source brings. */
  readonly read: () => AsyncGenerator<Piece>;
  readonly acknowledge: (lastIndex: bigint) => void;
};

/**
 * Orders that may wait for an answer, if that is not held up by the flow control of the transport before: the
 * service takes up to a thousand at once, and reads ahead by a few times as many.
 */
const ordersMax = 10_000;

/** Keeps the orders of a source whose first result has been read. Throws what the source throws. */
export function createUnanswered(
  first: IteratorResult<Request, unknown>,
  source: AsyncIterator<Request, unknown>,
  firstIndex: bigint,
): Unanswered {
  let open: Piece[] = [];
  /** The index behind the last order that was read, and that was answered. */
  let [readIndex, nextIndex] = [firstIndex, firstIndex];
  let isAtEnd = false;
  let room = Promise.withResolvers<void>();
  const take = ({ done, value }: IteratorResult<Request, unknown>): void => {
    if (done === true) isAtEnd = true;
    else {
      const { orders = [] } = value;
      open.push({ index: readIndex, orders });
      readIndex += BigInt(orders.length);
    }
  };
  const { readOn, expectReadable } = createReader(source, take);
  take(first);

  return {
    isWaiting: () => nextIndex < readIndex,
    expectReadable,
    async wait() {
      for (;;) {
        if (nextIndex < readIndex || isAtEnd) return nextIndex < readIndex;
        await readOn();
      }
    },
    async *read() {
      let cursor = nextIndex;
      for (;;) {
        const piece = open.find(({ index, orders }) => index + BigInt(orders.length) > cursor);
        if (piece !== undefined) {
          const orders = piece.orders.slice(Number(cursor - piece.index));
          yield { index: cursor, orders };
          cursor += BigInt(orders.length);
        } else if (isAtEnd) return;
        else if (readIndex - nextIndex >= BigInt(ordersMax)) await room.promise;
        else await readOn();
      }
    },
    acknowledge(lastIndex) {
      nextIndex = lastIndex + 1n;
      open = open.filter(({ index, orders }) => index + BigInt(orders.length) > nextIndex);
      room.resolve();
      room = Promise.withResolvers();
    },
  };
}

/**
 * Reads one result at a time, however many ask for it: what an attempt that was cut has begun to read
 * belongs to the next one.
 */
function createReader<T>(
  source: AsyncIterator<T, unknown>,
  take: (result: IteratorResult<T, unknown>) => void,
): {
  readonly readOn: () => Promise<void>;
  /** Throws what the source has thrown. */
  readonly expectReadable: () => void;
} {
  let failure: { readonly reason: unknown } | undefined;
  let reading: Promise<void> | undefined;
  const read = async (): Promise<void> => {
    try {
      take(await source.next());
      reading = undefined;
    } catch (reason) {
      // `reading` is kept: a source that has failed is at no end.
      failure = { reason };
      throw reason;
    }
  };
  return {
    readOn: () => (reading ??= read()),
    expectReadable() {
      if (failure !== undefined) throw failure.reason;
    },
  };
}
