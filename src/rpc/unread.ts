import { bounds } from "../bounds.ts";
import { createError, type DomainError } from "../errors.ts";
import { Line, nowhere, type Place } from "../line.ts";
import { createShares } from "../shares.ts";
import type { Refused } from "./refusals.ts";
import { toRefusal } from "./status.ts";

/** An answer that was written and that the caller has not read. */
export type UnreadAnswer = Place & {
  readonly connection: object;
  readonly bytes: number;
  readonly sinceMs: number;
  /** Abandons the answer. */
  readonly cut: () => void;
};

/** All answers that were written and not read. */
export type UnreadAnswers = {
  /** Whether there is room for another answer on a connection. */
  readonly hasRoom: (connection: object) => boolean;
  /**
   * Counts an answer on a connection until it is released; calls `cut` when that takes too long. Returns
   * undefined if there is no room; zero bytes always have room.
   */
  readonly hold: (connection: object, bytes: number, cut: () => void) => UnreadAnswer | undefined;
  /** Releasing an answer again has no effect. */
  readonly release: (answer: UnreadAnswer) => void;
};

/** Bounds the bytes of unread answers, per connection and in all, and the time that they stay unread. */
export function createUnreadAnswers(refused: Refused): UnreadAnswers {
  const { unreadBytes, unreadFloorBytes, unreadMs } = bounds;
  const shares = createShares<object>({ max: unreadBytes.max, floor: unreadFloorBytes.max });
  // In the order of writing.
  const waiting = new Line<UnreadAnswer>();
  let timer: NodeJS.Timeout | undefined;
  const release = (answer: UnreadAnswer): void => {
    if (waiting.delete(answer) && answer.bytes > 0) shares.release(answer.connection, answer.bytes);
  };
  const sweep = (): void => {
    const lateMs = performance.now() - unreadMs.max;
    for (const answer of waiting) {
      if (answer.sinceMs > lateMs) break;
      release(answer);
      refused(toRefusal(unreadMs.reason, "the answer was not read in time"));
      answer.cut();
    }
    timer = waiting.size > 0 ? setTimeout(sweep, unreadMs.max / 8).unref() : undefined;
  };
  return {
    hasRoom: (connection) => shares.has(connection),
    release,
    hold(connection, bytes, cut) {
      if (bytes > 0 && !shares.take(connection, bytes)) return undefined;
      const answer = { connection, bytes, sinceMs: performance.now(), cut, ...nowhere };
      waiting.add(answer);
      timer ??= setTimeout(sweep, unreadMs.max / 8).unref();
      return answer;
    },
  };
}

/** The error that replaces an answer for which there is no room. */
export function unreadAnswers(): DomainError {
  const message = "too many answers on this connection have not been read";
  return createError(bounds.unreadBytes.reason, message, { retryAfterMs: 1_000 });
}
