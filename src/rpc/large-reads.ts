import type { DescMethod, Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { bounds } from "../bounds.ts";
import type { Call } from "../call.ts";
import { createError, type DomainError } from "../errors.ts";
import { createQueue } from "../queue.ts";
import { unreadAnswers } from "./unread.ts";

/**
 * The turns of calls that read many rows. Each keeps the process busy for milliseconds when its rows arrive
 * and when its answer is written, in which all others wait.
 */
export type LargeReads = {
  /**
   * Waits for the turn of a call, whose end disposal says. `hasRoom` tells whether its connection takes the
   * answers that it has got: for one that does not, nothing is read. Throws a DomainError "exhausted".
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

/** Whether a request of the method asks for many rows: by the size of its page, or one for each element. */
export function createIsLarge({ input, idempotency }: DescMethod): (request: Message) => boolean {
  if (idempotency !== Idempotency.NO_SIDE_EFFECTS) return () => false;
  const field = input.fields.find(({ name, fieldKind }) => name === "page_size" || fieldKind === "list");
  if (!field) return () => false;
  return (request) => {
    const asked: unknown = Reflect.get(request, field.localName);
    return Number(Array.isArray(asked) ? asked.length : asked) > bounds.largeReadRows.max;
  };
}

/** About what half of those that may wait take, at ten milliseconds of the process each. */
const retryAfterMs = 500;

function tooMany(): DomainError {
  const advice = `ask for pages of at most ${bounds.largeReadRows.max} entries, or call again later`;
  const message = `too many calls that read many rows wait for their turn: ${advice}`;
  return createError(bounds.largeReads.reason, message, { retryAfterMs });
}
