import type { DescMethod, Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { bounds } from "../bounds.ts";
import type { Call } from "../call.ts";
import { createError, type DomainError } from "../errors.ts";
import { createQueue } from "../queue.ts";
import { unreadAnswers } from "./unread.ts";

/**
 * The turns of large reads. Each keeps the process busy for milliseconds when its rows arrive and when its
 * answer is written, while all other calls wait.
 */
export type LargeReads = {
  /**
   * Waits for the call's turn; dispose of it when the call ends. `hasRoom` tells whether the connection reads
   * its answers: if it does not, nothing is read for it. Throws a DomainError "exhausted".
   */
  readonly enter: (call: Call, hasRoom: () => boolean) => Promise<Disposable>;
};

export function createLargeReads(): LargeReads {
  const queue = createQueue({
    places: bounds.largeReads.max,
    lengthMax: bounds.largeReadsWaiting.max,
    lengthFloor: bounds.largeReadsFloor.max,
    waitMsMax: Infinity,
    refuse: tooMany,
  });
  return {
    async enter(call, hasRoom) {
      if (!hasRoom()) throw unreadAnswers();
      const leave = await queue.enter(call);
      if (hasRoom()) return { [Symbol.dispose]: leave };
      leave();
      throw unreadAnswers();
    },
  };
}

/** Creates the check whether a request is a large read: by its page size, or its number of elements. */
export function createIsLarge({ input, idempotency }: DescMethod): (request: Message) => boolean {
  if (idempotency !== Idempotency.NO_SIDE_EFFECTS) return () => false;
  const field = input.fields.find(({ name, fieldKind }) => name === "page_size" || fieldKind === "list");
  if (!field) return () => false;
  return (request) => {
    const asked: unknown = Reflect.get(request, field.localName);
    return Number(Array.isArray(asked) ? asked.length : asked) > bounds.largeReadRows.max;
  };
}

/** About the time of half of a full queue, at ten milliseconds of the process each. */
const retryAfterMs = 500;

function tooMany(): DomainError {
  const advice = `ask for pages of at most ${bounds.largeReadRows.max} entries, or call again later`;
  const message = `too many large reads wait for their turn: ${advice}`;
  return createError(bounds.largeReads.reason, message, { retryAfterMs });
}
