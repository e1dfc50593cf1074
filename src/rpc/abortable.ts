/**
 * The same items, until the signal aborts: then a pending next() rejects with the signal's reason at once,
 * and the source is told to stop without waiting for it, since it may be stuck. A race between promises
 * would do the same but keep every item's reaction alive until the signal's own promise settles, which for a
 * long stream is a leak. What leaves the items before their end calls return(), or the signal keeps them.
 */
export function abortable<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncIterableIterator<T, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let rejectPending: (reason: unknown) => void = () => {};
  const stop = (): void => {
    rejectPending(signal.reason);
    iterator.return?.()?.catch(() => {});
  };
  const forget = (): void => signal.removeEventListener("abort", stop);
  const take = async (): Promise<IteratorResult<T, undefined>> => {
    let isLast = true;
    try {
      const step: IteratorResult<T, undefined> = await iterator.next();
      isLast = step.done === true;
      return step;
    } finally {
      if (isLast) forget();
    }
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  return {
    next() {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        rejectPending = reject;
        take().then(resolve, reject);
      });
    },
    async return() {
      forget();
      if (!signal.aborted) await iterator.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
