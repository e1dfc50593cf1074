import { bounds } from "../bounds.ts";
import { DomainError } from "../db/errors.ts";
import { createShares } from "../shares.ts";

/** The answers that have been written and that their callers have not taken. */
export type UnreadAnswers = {
  /**
   * Counts an answer of a connection until the returned function is called; `cut` is called when that takes
   * too long. Undefined where there is no room.
   */
  readonly hold: (connection: object, bytes: number, cut: () => void) => (() => void) | undefined;
  readonly bytes: () => number;
};

type Held = { readonly sinceMs: number; readonly cut: () => void };

/** Bounds what waits for callers to read it, for each connection and over all, and for how long. */
export function createUnreadAnswers(): UnreadAnswers {
  const { unreadBytes, unreadFloorBytes, unreadMs } = bounds;
  const shares = createShares<object>({ max: unreadBytes.max, floor: unreadFloorBytes.max });
  const waiting = new Set<Held>();
  let timer: NodeJS.Timeout | undefined;
  // In the order in which they were written.
  const sweep = (): void => {
    const lateMs = performance.now() - unreadMs.max;
    for (const held of waiting) {
      if (held.sinceMs > lateMs) break;
      waiting.delete(held);
      held.cut();
    }
    timer = waiting.size > 0 ? setTimeout(sweep, unreadMs.max / 8).unref() : undefined;
  };
  return {
    bytes: shares.taken,
    hold(connection, bytes, cut) {
      if (!shares.take(connection, bytes)) return undefined;
      const held = { sinceMs: performance.now(), cut };
      waiting.add(held);
      timer ??= setTimeout(sweep, unreadMs.max / 8).unref();
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        waiting.delete(held);
        shares.release(connection, bytes);
      };
    },
  };
}

/** Why an answer is not given. */
export function unreadAnswers(): DomainError {
  const message = "too many answers wait to be read on this connection";
  return new DomainError("exhausted", bounds.unreadBytes.reason, message, { retryAfterMs: 1_000 });
}
