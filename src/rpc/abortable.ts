/**
 * Yields the source's items until the signal aborts. Then a pending next() rejects at once with the signal's
 * reason, and the source is told to stop but not awaited, since it may be stuck. Racing promises would do the
 * same but keep a reaction per item alive until the signal's promise settles, which leaks in a long stream.
 * Consumers that leave early must call return(), or the signal keeps the iterator.
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
