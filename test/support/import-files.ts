import fc from "fast-check";

/** What a file asks for, in the file's order: rows that are to be stored, lines that are to be refused. */
export type Model<Stored> = {
  readonly bytes: Buffer;
  readonly stored: readonly Stored[];
  readonly refusedLines: readonly number[];
};

/** An item, with its price as the database prints it. */
export type Item = { readonly product: string; readonly quantity: number; readonly price: string };
export type ItemOfOrder = Item & { readonly order: string };
export type OrderOfUser = {
  readonly user: string;
  readonly reserves: boolean;
  readonly items: readonly Item[];
};

/** A part of a file: its bytes, what it asks for, and whether its first line is to be refused. */
type Part<Stored> = { readonly bytes: Buffer; readonly stored?: Stored; readonly isRefused?: boolean };

const lineEnds = fc.constantFrom("\n", "\r\n", "\r");
const price = fc
  .tuple(fc.nat(9_999), fc.nat(9_999))
  .map(([units, decimals]) => `${units}.${String(decimals).padStart(4, "0")}`);
/** The same decimal, as another program would write it. */
const spelled = (amount: string) => fc.constantFrom(amount, amount.replace(/\.?0+$/, ""), `${amount}00`);

/** Joins parts by line ends of any kind and counts the lines, knowing nothing of how they are read. */
function render<Stored>(
  parts: readonly (Part<Stored> & { readonly end: string })[],
  { hasMark, isCut }: { readonly hasMark: boolean; readonly isCut: boolean },
): Model<Stored> {
  const chunks: Buffer[] = hasMark ? [Buffer.from([0xef, 0xbb, 0xbf])] : [];
  const stored: Stored[] = [];
  const refusedLines: number[] = [];
  let line = 1;
  let endBefore = "";
  for (const [index, part] of parts.entries()) {
    if (part.isRefused) refusedLines.push(line);
    if (part.stored) stored.push(part.stored);
    // LF behind CR and nothing would be one end, not two.
    const end = endBefore === "\r" && part.bytes.length === 0 ? "\r" : part.end;
    const isLast = index === parts.length - 1;
    chunks.push(part.bytes, Buffer.from(isLast && isCut ? "" : end));
    line += 1 + (part.bytes.toString("latin1").match(/\r\n|\n|\r/g)?.length ?? 0);
    endBefore = end;
  }
  return { bytes: Buffer.concat(chunks), stored, refusedLines };
}

const layout = fc.record({ hasMark: fc.boolean(), isCut: fc.boolean() });

const withEnds = <Stored>(part: fc.Arbitrary<Part<Stored>>) =>
  fc.tuple(part, lineEnds).map(([each, end]) => ({ ...each, end }));

const columns = ["order_id", "product_id", "quantity", "unit_price", "currency"];
type Cells = Readonly<Record<string, string>>;
const blanks = fc.constantFrom("", "", "", " ", "  ");
const word = fc.constantFrom("a", "Müller", "19 inch", 'say "so"', "x,y", "€", "🛒", "'", "\\", "1;2");
const note = fc.array(word, { maxLength: 3 });
const notes = fc.oneof(
  { weight: 3, arbitrary: note.map((words) => words.join(" ")) },
  { weight: 1, arbitrary: fc.tuple(note, lineEnds).map(([words, end]) => ["note", ...words].join(end)) },
);

/** A cell as a spreadsheet or a program may write it. */
const cell = (text: string): fc.Arbitrary<string> =>
  fc
    .tuple(fc.boolean(), blanks, blanks)
    .map(([isQuoted, before, behind]) =>
      isQuoted || /[",\r\n]/.test(text)
        ? `${before}"${text.replaceAll('"', '""')}"${behind}`
        : `${before}${text}${behind}`,
    );

const record = (heading: readonly string[], cells: Cells): fc.Arbitrary<string[]> =>
  fc.tuple(...heading.map((name) => cell(cells[name]!)));

/** What makes a record of one line none that can be stored, given its cells as they are written. */
const damages: readonly ((cells: string[], at: (name: string) => number) => string | Buffer)[] = [
  (cells) => [...cells, "surplus"].join(","),
  (cells) => cells.slice(0, -1).join(","),
  (cells) => cells.join(";"),
  (cells, at) => cells.with(at("quantity"), "1,000").join(","),
  (cells, at) => cells.with(at("unit_price"), "1,50").join(","),
  ...["0", "-1", "1.5", "1e3", "0x2", "", '"1,000"', "two", '19" rack', '="1"', '"1" 2', "99999999999"].map(
    (quantity) => (cells: string[], at: (name: string) => number) =>
      cells.with(at("quantity"), quantity).join(","),
  ),
  ...["-1", "1.", ".5", "1.00005", '"1,50"', "1e2", "€ 3", "1000000000000000", "NaN", ""].map(
    (amount) => (cells: string[], at: (name: string) => number) =>
      cells.with(at("unit_price"), amount).join(","),
  ),
  (cells, at) => cells.with(at("currency"), "USD").join(","),
  (cells, at) => cells.with(at("currency"), "").join(","),
  (cells, at) => cells.with(at("product_id"), "6d5f8c6e-8bb4-4a3c-9d2a-54a3b1f8f7e1").join(","),
  (cells, at) => cells.with(at("order_id"), '"open').join(","),
  (cells) => Buffer.concat([Buffer.from(cells.slice(0, -1).join(",")), Buffer.from([0x2c, 0xfc, 0xff])]),
];

/** Files of items for orders and products that exist. */
export function itemFiles(orders: readonly string[], products: readonly string[]) {
  const headings = fc.shuffledSubarray([...columns, "note", "remark"], { minLength: 7 }).chain((all) =>
    fc.constantFrom(
      all,
      all.filter((name) => name !== "remark"),
    ),
  );
  const items: fc.Arbitrary<ItemOfOrder> = fc.record({
    order: fc.constantFrom(...orders),
    product: fc.constantFrom(...products),
    quantity: fc.integer({ min: 1, max: 1_000 }),
    price,
  });
  return headings.chain((heading) => {
    const at = (name: string): number => heading.indexOf(name);
    const toCells = (
      { order, product, quantity, price: amount }: ItemOfOrder,
      remark: string,
      text: string,
    ) => ({
      order_id: order,
      product_id: product,
      quantity: String(quantity),
      unit_price: amount,
      currency: "EUR",
      remark,
      note: text,
    });
    const sound = fc.tuple(items, notes, notes).chain(([item, remark, text]) =>
      spelled(item.price)
        .chain((amount) => record(heading, toCells({ ...item, price: amount }, remark, text)))
        .map((cells): Part<ItemOfOrder> => ({ bytes: Buffer.from(cells.join(",")), stored: item })),
    );
    const damaged = fc.tuple(items, fc.constantFrom(...damages)).chain(([item, damage]) =>
      record(heading, toCells(item, "r", "n")).map((cells) => {
        const bytes = damage(cells, at);
        return { bytes: typeof bytes === "string" ? Buffer.from(bytes) : bytes, isRefused: true };
      }),
    );
    const empty = fc
      .constantFrom("", " ", ",".repeat(heading.length - 1), '"",', ",,")
      .map((text) => ({ bytes: Buffer.from(text) }));
    const first = record(heading, Object.fromEntries(heading.map((name) => [name, name]))).map(
      (cells): Part<ItemOfOrder> => ({ bytes: Buffer.from(cells.join(",")) }),
    );
    const rest = fc.oneof(
      { weight: 6, arbitrary: sound },
      { weight: 3, arbitrary: damaged },
      { weight: 1, arbitrary: empty },
    );
    return fc
      .tuple(withEnds(first), fc.array(withEnds(rest), { maxLength: 60, size: "max" }), layout)
      .map(([top, parts, how]) => render([top, ...parts], how));
  });
}

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
