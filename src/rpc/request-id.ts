import { randomUUID } from "node:crypto";
import { getOption, hasOption, type DescMethod, type Message } from "@bufbuild/protobuf";
import { databaseSilent, DomainError, repeatable, repeatableWith } from "../errors.ts";
import { policy } from "../gen/commerce/options/v1/options_pb.ts";

/** Handles a method's idempotency key (AIP-155). */
export type RequestIds = {
  /**
   * Adds a key to a request without one, so that our own attempts share it. Returns the request, and a
   * function from a failure to the error to answer. In a stream the first request has the key.
   */
  fill(request: Message | AsyncIterable<Message>): {
    readonly filled: Message | AsyncIterable<Message>;
    /** Whether the caller gave the key; false of a stream, whose first request has not come yet. */
    readonly isGiven: boolean;
    readonly explain: Explain;
  };
};

type Explain = (error: unknown) => unknown;

/** A call without a key changes nothing that its caller has asked for: it can be repeated as it is. */
const explainKeyless: Explain = (error) => (isUnknown(error) ? databaseSilent(error) : error);

/** Finds the idempotency key of a method's requests in the contract, if there is one. */
export function createRequestIds(method: DescMethod): RequestIds {
  const name = hasOption(method, policy) ? getOption(method, policy).idempotencyKeyField : "";
  if (name === "")
    return { fill: (request) => ({ filled: request, isGiven: false, explain: explainKeyless }) };
  const field = method.input.fields.find((each) => each.name === name);
  if (field === undefined)
    throw new Error(`${method.input.typeName} has no field ${name}, which its policy names`);
  const key = field.localName;
  const fillOne = (request: Message): Explain => {
    if (Reflect.get(request, key)) return explainGiven;
    const made = randomUUID();
    Reflect.set(request, key, made);
    return (error) => explainMade(error, name, made);
  };
  return {
    fill(request) {
      if (!(Symbol.asyncIterator in request)) {
        const isGiven = Boolean(Reflect.get(request, key));
        return { filled: request, isGiven, explain: fillOne(request) };
      }
      let explain = explainKeyless;
      const filled = watchFirst(request, (first) => (explain = fillOne(first)));
      return { filled, isGiven: false, explain: (error) => explain(error) };
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

/** The caller may repeat the call unchanged, which most clients do by themselves for UNAVAILABLE. */
function explainGiven(error: unknown): unknown {
  return isUnknown(error) ? repeatable(error) : error;
}

/**
 * Repeating a call without a key could execute it twice, so the code must not invite that; with the key that
 * was generated for it, repeating is safe.
 */
function explainMade(error: unknown, name: string, made: string): unknown {
  return isUnknown(error) ? repeatableWith(error, name, made) : error;
}

function isUnknown(error: unknown): error is DomainError {
  return error instanceof DomainError && error.kind === "outcome_unknown";
}
