import type { Message } from "@bufbuild/protobuf";
import type { Call } from "../call.ts";
import { abortable } from "./abortable.ts";
import type { IdleWatch } from "./idle.ts";

/** What a method is called with: a message or, if its requests are streamed, all of them. */
export type Requests = Message | AsyncIterable<Message>;

/** The requests of a call that runs. Disposal: its handler takes no more of them. */
export type Received = Disposable & { readonly requests: Requests };

/**
 * The requests of a call for its handler, each validated when it is taken; throws what `validate` has against
 * one that is not streamed. Streamed ones end with the reason of the call's end, or when the server is about
 * to stop: it waits for no further one.
 */
export function receive(
  requests: Requests,
  { signal, draining }: Call,
  validate: (request: Message) => void,
  idle: IdleWatch | undefined,
): Received {
  if (!(Symbol.asyncIterator in requests)) {
    validate(requests);
    return { requests, [Symbol.dispose]() {} };
  }
  const source = abortable(abortable(requests, signal), draining);
  async function* take(): AsyncGenerator<Message> {
    for (;;) {
      idle?.wait();
      const step = await source.next();
      idle?.waited();
      if (step.done) return;
      validate(step.value);
      yield step.value;
    }
  }
  return {
    requests: take(),
    [Symbol.dispose]() {
      // Not awaited: it may be stuck in a wait for the caller.
      source.return?.().catch(() => {});
    },
  };
}
