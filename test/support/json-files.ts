import fc from "fast-check";
import { layout, price, render, withEnds, type Item, type Part } from "./import-files.ts";

export type OrderOfUser = {
  readonly user: string;
  readonly reserves: boolean;
  readonly items: readonly Item[];
};

const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
type Json = { readonly [key: string]: unknown };

/** An object with its fields in any order and under either of the names that proto3 JSON has for them. */
const object = (fields: Json): fc.Arbitrary<Json> =>
  fc
    .tuple(
      fc.shuffledSubarray(Object.keys(fields), { minLength: Object.keys(fields).length }),
      fc.infiniteStream(fc.boolean()),
    )
    .map(([keys, isSnake]) =>
      Object.fromEntries(keys.map((key) => [isSnake.next().value ? snake(key) : key, fields[key]])),
    );

const integer = (value: number): fc.Arbitrary<number | string> => fc.constantFrom(value, String(value));

const money = (amount: string): fc.Arbitrary<Json> => {
  const [units, decimals] = amount.split(".").map(Number) as [number, number];
  return fc
    .tuple(integer(units), integer(decimals * 100_000))
    .chain(([whole, nanos]) => object({ currencyCode: "EUR", units: whole, nanos }));
};

/** What makes a line of JSON none that can be stored. */
const jsonDamages: readonly ((text: string) => string | Buffer)[] = [
  (text) => text.slice(0, -1),
  (text) => `${text},`,
  (text) => `${text}${text}`,
  (text) => `{"note": 1, ${text.slice(1)}`,
  (text) => `{"user_id": "", ${text.slice(1)}`,
  (text) => `{"id": "", ${text.slice(1)}`,
  (text) => text.replace(/"EUR"/, '"EUR", "currencyCode": "EUR"'),
  (text) => text.replace(/"(unit_price|unitPrice)": ?\{/, '"unitPrice": 3, "x": {'),
  ...[
    '"0x2"',
    '" 2"',
    '"1e1"',
    "1e1",
    "1.0000000000000000000001",
    "null",
    "true",
    "[]",
    "2.5",
    "0",
    '""',
  ].map((quantity) => (text: string) => text.replace(/"quantity": ?"?\d+"?/, `"quantity": ${quantity}`)),
  ...['"  "', '"0x10"', '" 12 "', "9007199254740993", "null", '"-1"', "0.99999999999999999999", "-0"].map(
    (units) => (text: string) => text.replace(/"units": ?"?\d+"?/, `"units": ${units}`),
  ),
  () => '"text"',
  () => "null",
  () => "[]",
  () => "{}",
  (text) => Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0xe4, 0x7d])]),
];

/** Files of orders of a user, for products that exist. */
export function orderFiles(user: string, products: readonly string[]) {
  const item: fc.Arbitrary<Item> = fc.record({
    product: fc.constantFrom(...products),
    quantity: fc.integer({ min: 1, max: 5 }),
    price,
  });
  const orders: fc.Arbitrary<OrderOfUser> = fc.record({
    user: fc.constant(user),
    reserves: fc.boolean(),
    items: fc.array(item, { minLength: 1, maxLength: 4 }),
  });
  const toJson = ({ items, reserves }: OrderOfUser): fc.Arbitrary<string> =>
    fc
      .tuple(
        ...items.map(({ product, quantity, price: amount }) =>
          fc
            .tuple(integer(quantity), money(amount))
            .chain(([pieces, unitPrice]) => object({ productId: product, quantity: pieces, unitPrice })),
        ),
      )
      .chain((lines) =>
        object({
          userId: user,
          items: lines,
          stockPolicy: reserves ? "STOCK_POLICY_RESERVE" : "STOCK_POLICY_NONE",
        }),
      )
      .chain((json) =>
        fc.constantFrom(JSON.stringify(json), ` ${JSON.stringify(json, null, 1).replace(/\n */g, " ")}\t`),
      );
  const sound = orders.chain((order) =>
    toJson(order).map((text): Part<OrderOfUser> => ({ bytes: Buffer.from(text), stored: order })),
  );
  const damaged = fc.tuple(orders, fc.constantFrom(...jsonDamages)).chain(([order, damage]) =>
    toJson(order).map((text) => {
      const bytes = damage(text.trim());
      return { bytes: typeof bytes === "string" ? Buffer.from(bytes) : bytes, isRefused: true };
    }),
  );
  const empty = fc.constantFrom("", " ", "\t").map((text) => ({ bytes: Buffer.from(text) }));
  const first = withEnds(sound);
  const rest = fc.oneof(
    { weight: 6, arbitrary: sound },
    { weight: 3, arbitrary: damaged },
    { weight: 1, arbitrary: empty },
  );
  return fc
    .tuple(first, fc.array(withEnds(rest), { maxLength: 60, size: "max" }), layout)
    .map(([top, parts, how]) => render([top, ...parts], how));
}
