import { bounds } from "../bounds.ts";
import { createError, type DomainError } from "../errors.ts";
import { createShares, type Shares } from "../shares.ts";

/** The bytes that a call holds of its request. Disposing releases all of them. */
export type Hold = Disposable & {
  /** Adds bytes that the call holds. Throws a DomainError "exhausted" if there is no room. */
  readonly add: (bytes: number) => void;
  /** Subtracts bytes that the call has released. */
  readonly remove: (bytes: number) => void;
};

/** The bytes of all requests in flight. */
export type Receipt = {
  /** Begins a call on a connection. Throws like add(). */
  readonly open: (connection: object) => Hold;
  readonly bytes: () => number;
};

/**
 * Bounds the memory of requests, from their headers until their calls have ended, per connection and in all:
 * a connection may hold as much as is left, so that one that holds a lot leaves room for others.
 */
export function createReceipt(): Receipt {
  const { receiptBytes, receiptFloorBytes } = bounds;
  const shares = createShares<object>({ max: receiptBytes.max, floor: receiptFloorBytes.max });
  return { bytes: shares.taken, open: (connection) => new CallHold(shares, connection) };
}

/**
 * Bytes are taken in units of this; a call's first unit has room for a usual request, which then needs no
 * other.
 */
const UNIT = bounds.receiptCallBytes.max;

/** A class, since each call has one: closures would cost as much as the bytes that they count. */
class CallHold implements Hold {
  readonly #shares: Shares<object>;
  readonly #connection: object;
  #taken = UNIT;
  #used = 0;
  #isOpen = true;

  constructor(shares: Shares<object>, connection: object) {
    this.#shares = shares;
    this.#connection = connection;
    if (!shares.take(connection, UNIT)) throw tooMuch();
  }

  add(bytes: number): void {
    this.#used += bytes;
    // The listener discards what still arrives after a call's end.
    if (this.#used <= this.#taken || !this.#isOpen) return;
    const more = Math.ceil((this.#used - this.#taken) / UNIT) * UNIT;
    if (!this.#shares.take(this.#connection, more)) throw tooMuch();
    this.#taken += more;
  }

  remove(bytes: number): void {
    this.#used -= bytes;
    if (this.#taken === UNIT || !this.#isOpen) return;
    const less = Math.floor((this.#taken - Math.max(UNIT, this.#used)) / UNIT) * UNIT;
    this.#shares.release(this.#connection, less);
    this.#taken -= less;
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) this.#shares.release(this.#connection, this.#taken);
    this.#isOpen = false;
  }
}

/** Callers retry when some of the others have been answered. */
const RETRY_AFTER_MS = 1_000;

function tooMuch(): DomainError {
  const message = "the requests in flight hold too many bytes";
  return createError(bounds.receiptBytes.reason, message, { retryAfterMs: RETRY_AFTER_MS });
}
