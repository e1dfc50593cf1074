import { type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { durationMs, MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { policy } from "./gen/commerce/options/v1/options_pb.ts";

/**
 * What repeating a call costs. A read changes nothing; a keyed mutation happens once, however often it is
 * called with its request_id; of others a repetition may happen again.
 */
export type Effect = "read" | "keyed" | "other";

/** What the contract says of a method. */
export type Traits = {
  readonly effect: Effect;
  /**
   * The name of the field with the idempotency key (AIP-155), as in TypeScript; undefined if there is none.
   */
  readonly requestIdField: string | undefined;
  /** The deadline of a call without one, in milliseconds; undefined if the contract has none. */
  readonly deadlineMs: number | undefined;
};

// Options are decoded each time that they are asked for.
const known = new WeakMap<DescMethod, Traits>();

export function traitsOf(method: DescMethod): Traits {
  const traits = known.get(method) ?? readTraits(method);
  known.set(method, traits);
  return traits;
}

function readTraits(method: DescMethod): Traits {
  const { idempotencyKeyField = "", defaultDeadline } = hasOption(method, policy)
    ? getOption(method, policy)
    : {};
  const field = method.input.fields.find(({ name }) => name === idempotencyKeyField);
  const isRead = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  return {
    effect: isRead ? "read" : field === undefined ? "other" : "keyed",
    requestIdField: field?.localName,
    deadlineMs: defaultDeadline && durationMs(defaultDeadline),
  };
}
