import type { Evidence, Violation } from "./checker.ts";

/** I2: nothing is sold twice and nothing disappears. */
export function checkStock({ history, state }: Pick<Evidence, "history" | "state">): Violation[] {
  const reserved = new Map<string, number>();
  for (const { reserves, status, lines } of state.orders) {
    if (!reserves || status === "cancelled") continue;
    for (const { productId, quantity } of lines)
      reserved.set(productId, (reserved.get(productId) ?? 0) + quantity);
  }
  const unbalanced = state.products.flatMap(({ id, initial, onHand }): Violation[] => {
    const movements = state.movements.filter(({ productId }) => productId === id);
    const came = initial + movements.reduce((sum, { delta }) => sum + delta, 0);
    const held = reserved.get(id) ?? 0;
    if (came === onHand + held) return [];
    const sentence = `${came} came in, but ${onHand} are in stock and ${held} in live orders`;
    return [{ invariant: "I2", ids: [id], sentence }];
  });
  const seen = history.flatMap(({ outcome }) => (outcome.kind === "ok" ? outcome.products : []));
  const below = new Map(
    [...seen, ...state.products].map(({ id, onHand }) => [id, onHand] as const).filter(([, n]) => n < 0),
  );
  return [
    ...unbalanced,
    ...[...below].map(([id, onHand]): Violation => ({
      invariant: "I2",
      ids: [id],
      sentence: `the stock is ${onHand}`,
    })),
  ];
}
