import { randomUUID } from "node:crypto";
import { getOption, hasOption, type DescMethod, type Message } from "@bufbuild/protobuf";
import { DomainError, repeatable, repeatableWith } from "../errors.ts";
import { policy } from "../gen/commerce/options/v1/options_pb.ts";

/** What the pipeline does with a method's idempotency key (AIP-155). */
export type RequestIds = {
  /**
   * Gives a request without a key one of ours, so that our own attempts share it, and returns it with what
   * throws the error to answer for a failure. Of streamed requests it is the first that has the key.
   */
  fill(request: Message | AsyncIterable<Message>): {
    readonly filled: Message | AsyncIterable<Message>;
    readonly explain: (error: unknown) => never;
  };
};

const rethrow: (error: unknown) => never = (error) => {
  throw error;
};

/** Reads from the contract which field of a method's requests is the idempotency key, if any is. */
export function createRequestIds(method: DescMethod): RequestIds {
  const name = hasOption(method, policy) ? getOption(method, policy).idempotencyKeyField : "";
  if (name === "") return { fill: (request) => ({ filled: request, explain: rethrow }) };
  const field = method.input.fields.find((each) => each.name === name);
  if (field === undefined)
    throw new Error(`${method.input.typeName} has no field ${name}, which its policy names`);
  const key = field.localName;
  const fillOne = (request: Message): ((error: unknown) => never) => {
    if (Reflect.get(request, key)) return explainGiven;
    const made = randomUUID();
    Reflect.set(request, key, made);
    return (error) => explainMade(error, name, made);
  };
  return {
    fill(request) {
      if (!(Symbol.asyncIterator in request)) return { filled: request, explain: fillOne(request) };
      let explain = rethrow;
      const filled = watchFirst(request, (first) => (explain = fillOne(first)));
      return { filled, explain: (error) => explain(error) };
    },
  };
}

async function* watchFirst<T>(items: AsyncIterable<T>, see: (first: T) => void): AsyncGenerator<T> {
  let seen = false;
  for await (const item of items) {
    if (!seen) see(item);
    seen = true;
    yield item;
  }
}

/** The caller may repeat the call as it is, and most do so by themselves when they see UNAVAILABLE. */
function explainGiven(error: unknown): never {
  throw isUnknown(error) ? repeatable(error) : error;
}

/**
 * A call without a key that is repeated as it is could happen twice, so that the code must not invite a
 * repetition; with the key that we made for it, it can be repeated safely.
 */
function explainMade(error: unknown, name: string, made: string): never {
  throw isUnknown(error) ? repeatableWith(error, name, made) : error;
}

function isUnknown(error: unknown): error is DomainError {
  return error instanceof DomainError && error.kind === "outcome_unknown";
}
