import fc from "fast-check";
import { expect, test } from "vitest";
import { Line, nowhere, type Place } from "../src/line.ts";

type Element = Place & { readonly n: number };

const steps = fc.array(fc.record({ n: fc.nat(8), into: fc.constantFrom("left", "right", "out") }), {
  maxLength: 60,
});

test("lines hold what two sets hold between which elements move, in the same order", () => {
  fc.assert(
    fc.property(steps, (moves) => {
      const elements: Element[] = Array.from({ length: 9 }, (_, n) => ({ n, ...nowhere }));
      const lines = { left: new Line<Element>(), right: new Line<Element>() };
      const sets = { left: new Set<number>(), right: new Set<number>() };

      for (const { n, into } of moves) {
        const element = elements[n]!;
        const isGone = [lines.left.delete(element), lines.right.delete(element)];
        expect(isGone).toEqual([sets.left.delete(n), sets.right.delete(n)]);
        if (into === "out") continue;
        lines[into].add(element);
        sets[into].add(n);
      }

      for (const side of ["left", "right"] as const) {
        expect(Array.from(lines[side], ({ n }) => n)).toEqual([...sets[side]]);
        expect(lines[side].size).toBe(sets[side].size);
      }
    }),
  );
});

test("an element may leave its line while it is visited", () => {
  const line = new Line<Element>();
  for (const n of [1, 2, 3]) line.add({ n, ...nowhere });

  const visited: number[] = [];
  for (const element of line) if (line.delete(element)) visited.push(element.n);

  expect([visited, line.size, [...line]]).toEqual([[1, 2, 3], 0, []]);
});

test("an element that is gone keeps no other one", () => {
  const line = new Line<Element>();
  const elements: Element[] = [1, 2, 3].map((n) => ({ n, ...nowhere }));
  for (const element of elements) line.add(element);

  line.delete(elements[1]!);

  expect(elements[1]).toEqual({ n: 2, ...nowhere });
});
