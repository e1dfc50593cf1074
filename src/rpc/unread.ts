import { bounds } from "../bounds.ts";
import { createError, type DomainError } from "../errors.ts";
import { createShares } from "../shares.ts";
import type { Refused } from "./refusals.ts";
import { toRefusal } from "./status.ts";

/** An answer that has been written and that its caller has not taken. */
export type UnreadAnswer = {
  readonly connection: object;
  readonly bytes: number;
  readonly sinceMs: number;
  /** Gives the answer up. */
  readonly cut: () => void;
};

/** The answers that have been written and that their callers have not taken. */
export type UnreadAnswers = {
  /** Whether there is room for another answer of a connection. */
  readonly hasRoom: (connection: object) => boolean;
  /**
   * Counts an answer of a connection until it is released; `cut` is called when that takes too long.
   * Undefined where there is no room, which there always is for none.
   */
  readonly hold: (connection: object, bytes: number, cut: () => void) => UnreadAnswer | undefined;
  /** Without effect for one that has been released. */
  readonly release: (answer: UnreadAnswer) => void;
};

/** Bounds what waits for callers to read it, for each connection and over all, and for how long. */
export function createUnreadAnswers(refused: Refused): UnreadAnswers {
  const { unreadBytes, unreadFloorBytes, unreadMs } = bounds;
  const shares = createShares<object>({ max: unreadBytes.max, floor: unreadFloorBytes.max });
  // In the order in which they were written.
  const waiting = new Set<UnreadAnswer>();
  let timer: NodeJS.Timeout | undefined;
  const release = (answer: UnreadAnswer): void => {
    if (waiting.delete(answer) && answer.bytes > 0) shares.release(answer.connection, answer.bytes);
  };
  const sweep = (): void => {
    const lateMs = performance.now() - unreadMs.max;
    for (const answer of waiting) {
      if (answer.sinceMs > lateMs) break;
      release(answer);
      refused(toRefusal(unreadMs.reason, "nobody reads the answer"));
      answer.cut();
    }
    timer = waiting.size > 0 ? setTimeout(sweep, unreadMs.max / 8).unref() : undefined;
  };
  return {
    hasRoom: (connection) => shares.has(connection),
    release,
    hold(connection, bytes, cut) {
      if (bytes > 0 && !shares.take(connection, bytes)) return undefined;
      const answer = { connection, bytes, sinceMs: performance.now(), cut };
      waiting.add(answer);
      timer ??= setTimeout(sweep, unreadMs.max / 8).unref();
      return answer;
    },
  };
}

/** Why an answer is not given. */
export function unreadAnswers(): DomainError {
  const message = "too many answers wait to be read on this connection";
  return createError(bounds.unreadBytes.reason, message, { retryAfterMs: 1_000 });
}
