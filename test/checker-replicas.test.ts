import { expect, test } from "vitest";
import { check } from "./faults/checker.ts";
import type { Outcome, Request } from "./faults/history.ts";
import { failed, more, ok, other, told, unknown, type Story } from "./faults/story.ts";

/** An order that is refused at one replica, and asked for again at another one, which answers this. */
function refusedAndAskedAgain(outcome: Outcome): Story {
  return told(19, (each) => [
    { ...each, replica: 0, outcome: failed("FailedPrecondition") },
    { ...each, replica: 1, invoked: 37, returned: 38, outcome },
  ]);
}

test.each([
  ["acknowledged", ok({ orders: [other] }), "I5: refused (), and acknowledged all the same"],
  ["not answered", unknown, "I5: order asked for by one request: 1 stored"],
])(
  "The checker finds an order that was placed after its refusal, and whose repetition was %s",
  (_title, outcome, expected) => {
    const { history, state } = refusedAndAskedAgain(outcome);

    const found = check(history, state);

    expect(found.map(({ invariant, sentence }) => `${invariant}: ${sentence}`)).toContainEqual(
      expect.stringContaining(expected),
    );
  },
);

test("The checker finds an answer to one attempt that another one's refusal denies", () => {
  const { history, state } = told(19, (each) => [
    { ...each, returned: 40 },
    { ...each, invoked: 37, returned: 38, outcome: failed("FailedPrecondition") },
  ]);

  const found = check(history, state);

  expect(found.map(({ sentence }) => sentence)).toEqual(["refused (), and acknowledged all the same"]);
});

test("The checker takes a call of unknown outcome for done and for not done", () => {
  const take: Request = { requestId: "?", method: "AdjustStock", productId: "lamp", delta: -1 };
  const { history, state } = more(take, unknown);
  const done = {
    ...state,
    movements: [...state.movements, { productId: "lamp", delta: -1 }],
    products: [{ ...state.products[0]!, onHand: 2, version: 4 }],
  };

  expect([check(history, state), check(history, done)]).toEqual([[], []]);
});
