import { DomainError } from "./errors.ts";
import type { Budget } from "./retry.ts";

/** A fair queue for a fixed number of places: first come, first served, bounded in length and in time. */
export type Queue = {
  /**
   * Waits for a place and returns the function that gives it back. Throws a DomainError "exhausted" when the
   * queue is full or the wait is over, and the signal's reason when the caller leaves, who then leaves the
   * queue as well.
   */
  enter(budget: Budget): Promise<() => void>;
  readonly waiting: number;
  readonly taken: number;
};

/** Makes a queue for `places`, in which at most `lengthMax` wait for at most `waitMsMax` each. */
export function createQueue(places: number, lengthMax: number, waitMsMax: number): Queue {
  const waiters = new Set<() => void>();
  let taken = 0;

  function leave(): void {
    const [next] = waiters;
    if (next) next();
    else taken--;
  }

  /** A place is given back once, however often it is asked for. */
  function place(): () => void {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      leave();
    };
  }

  return {
    get waiting() {
      return waiters.size;
    },
    get taken() {
      return taken;
    },
    async enter({ signal }) {
      signal.throwIfAborted();
      if (taken < places) {
        taken++;
        return place();
      }
      if (waiters.size >= lengthMax) throw exhausted("too many calls wait for a database connection");
      return new Promise((resolve, reject) => {
        const settle = (done: () => void): void => {
          waiters.delete(admit);
          clearTimeout(timer);
          signal.removeEventListener("abort", abandon);
          done();
        };
        const admit = (): void => settle(() => resolve(place()));
        const abandon = (): void => settle(() => reject(signal.reason));
        const timer = setTimeout(
          () => settle(() => reject(exhausted("no database connection became free in time"))),
          waitMsMax,
        );
        signal.addEventListener("abort", abandon, { once: true });
        waiters.add(admit);
      });
    },
  };
}

function exhausted(message: string): DomainError {
  return new DomainError("exhausted", "POOL_EXHAUSTED", message, { retryAfterMs: 200 });
}
