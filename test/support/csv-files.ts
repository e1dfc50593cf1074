import fc from "fast-check";
import { layout, lineEnds, price, render, withEnds, type Item, type Part } from "./import-files.ts";

export type ItemOfOrder = Item & { readonly order: string };

/** The same decimal, as another program would write it. */
const spelled = (amount: string) => fc.constantFrom(amount, amount.replace(/\.?0+$/, ""), `${amount}00`);

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
