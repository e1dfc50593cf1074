import fc from "fast-check";
import { expect, test } from "vitest";
import { createShares } from "../src/shares.ts";

test("a holder has as much as it leaves to the others, and always its floor", () => {
  const shares = createShares<string>({ max: 100, floor: 10 });
  const takeAll = (holder: string): number => {
    let count = 0;
    while (shares.take(holder)) count += 1;
    return count;
  };

  const counts = ["ann", "bob", "eve", "dan", "zoe"].map(takeAll);

  expect(counts).toEqual([50, 25, 13, 10, 2]);
});

test("what is taken is never more than the maximum, and is there again when it was released", () => {
  const step = fc.record({
    holder: fc.nat(5),
    amount: fc.integer({ min: 1, max: 40 }),
    isTake: fc.boolean(),
  });

  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const shares = createShares<number>({ max: 100, floor: 10 });
      const held: { holder: number; amount: number }[] = [];
      for (const { holder, amount, isTake } of steps) {
        if (isTake && shares.take(holder, amount)) held.push({ holder, amount });
        const last = isTake ? undefined : held.pop();
        if (last) shares.release(last.holder, last.amount);
        expect(shares.taken()).toBe(held.reduce((sum, each) => sum + each.amount, 0));
        expect(shares.taken()).toBeLessThanOrEqual(100);
      }
      for (const { holder, amount } of held) shares.release(holder, amount);
      expect([shares.taken(), shares.take(0, 100)]).toEqual([0, true]);
    }),
  );
});
