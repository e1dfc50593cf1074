import { bounds } from "../bounds.ts";
import { DomainError } from "../errors.ts";
import { createShares, type Shares } from "../shares.ts";

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

/**
 * Bounds the memory that requests take, from their headers until their calls have ended, for each connection
 * and over all: a connection may hold as much as is left, so that those which hold a lot leave room for the
 * others.
 */
export function createReceipt(): Receipt {
  const { receiptBytes, receiptFloorBytes } = bounds;
  const shares = createShares<object>({ max: receiptBytes.max, floor: receiptFloorBytes.max });
  return { bytes: shares.taken, open: (connection) => new CallHold(shares, connection) };
}

/** Bytes are taken by it; a call's first one has room for a usual request, which so is counted once. */
const UNIT = bounds.receiptCallBytes.max;

/** A class, since each call has one: the closures would cost as much as what they count. */
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
    // What still arrives of a call that is over is thrown away by its listener.
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

/** Callers come back when some of the others have been answered. */
const RETRY_AFTER_MS = 1_000;

function tooMuch(): DomainError {
  const message = "the requests that are being read hold too many bytes";
  return new DomainError("exhausted", bounds.receiptBytes.reason, message, { retryAfterMs: RETRY_AFTER_MS });
}
