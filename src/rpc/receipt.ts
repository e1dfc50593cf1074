import { bounds } from "../bounds.ts";
import { DomainError } from "../db/errors.ts";
import { createShares } from "../shares.ts";

/** What a call holds of its request. Disposal gives all of it back. */
export type Hold = Disposable & {
  /** Counts bytes that the call holds from now on. Throws a DomainError "exhausted" if there is no room. */
  readonly add: (bytes: number) => void;
  /** Counts bytes that it holds no longer. */
  readonly remove: (bytes: number) => void;
};

/** The bytes of requests that have not been answered. */
export type Receipt = {
  /** Begins a call of a connection. Throws like add(). */
  readonly open: (connection: object) => Hold;
  readonly bytes: () => number;
};

/** Callers come back when some of the others have been answered. */
const RETRY_AFTER_MS = 1_000;

/**
 * Bounds the memory that requests take, from their headers until their calls have ended, for each connection
 * and over all: a connection may hold as much as is left, so that those which hold a lot leave room for the
 * others.
 */
export function createReceipt(): Receipt {
  const { receiptBytes, receiptCallBytes, receiptFloorBytes } = bounds;
  const shares = createShares<object>({ max: receiptBytes.max, floor: receiptFloorBytes.max });
  const unit = receiptCallBytes.max;
  return {
    bytes: shares.taken,
    open(connection) {
      // Taken by the unit, of which the first is the call's own and has room for a usual request.
      let taken = unit;
      let used = 0;
      let isOpen = true;
      if (!shares.take(connection, unit)) throw tooMuch();
      return {
        add(bytes) {
          // What still arrives of a call that is over is thrown away by its door.
          if (!isOpen) return;
          used += bytes;
          const more = Math.ceil((used - taken) / unit) * unit;
          if (more <= 0) return;
          if (!shares.take(connection, more)) throw tooMuch();
          taken += more;
        },
        remove(bytes) {
          used -= bytes;
          const less = Math.floor((taken - Math.max(unit, used)) / unit) * unit;
          if (!isOpen || less <= 0) return;
          shares.release(connection, less);
          taken -= less;
        },
        [Symbol.dispose]() {
          if (isOpen) shares.release(connection, taken);
          isOpen = false;
        },
      };
    },
  };
}

function tooMuch(): DomainError {
  const message = "the requests that are being read hold too many bytes";
  return new DomainError("exhausted", bounds.receiptBytes.reason, message, { retryAfterMs: RETRY_AFTER_MS });
}
