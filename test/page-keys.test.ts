import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createPageKeys } from "../src/services/page-keys.ts";
import { createPages } from "../src/services/pages.ts";

const DAY_MS = 24 * 3_600_000;
const CURSOR = { createTime: 1_700_000_000_000_000n, id: randomUUID() };
const SCOPE = ["ListUsers"];

/** Replicas on one store of keys, with clocks of their own. */
function createStore(before?: Buffer) {
  const stored = new Map<number, Buffer>();
  const read = {
    ofBefore: async () => before,
    async ofPeriod(period: number) {
      if (!stored.has(period)) stored.set(period, randomBytes(32));
      return stored.get(period)!;
    },
  };
  const start = async (clock: { days: number }) =>
    createPages(await createPageKeys(read, () => clock.days * DAY_MS));
  return { stored, start };
}

test("a new key signs every thirty days, and the tokens of the last one are taken for thirty more", async () => {
  const clock = { days: 29 };
  const { stored, start } = createStore();
  const pages = await start(clock);
  const old = pages.toToken(CURSOR, SCOPE);

  clock.days = 31;
  await expect.poll(() => pages.toToken(CURSOR, SCOPE)).not.toBe(old);
  const taken = await pages.parse(old, SCOPE);
  clock.days = 61;
  const late = pages.parse(old, SCOPE);

  expect(taken).toEqual(CURSOR);
  expect([...stored.keys()]).toEqual([0, 1]);
  await expect(late).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
});

test("replicas take one another's tokens, also where their clocks disagree about the period", async () => {
  const { start } = createStore();
  const [early, late] = [await start({ days: 29.9 }), await start({ days: 30.1 })];

  const read = [
    await early.parse(late.toToken(CURSOR, SCOPE), SCOPE),
    await late.parse(early.toToken(CURSOR, SCOPE), SCOPE),
  ];

  expect(read).toEqual([CURSOR, CURSOR]);
});

test("tokens of before there were periods are taken where their key is there", async () => {
  const key = randomBytes(32);
  const bytes = Buffer.alloc(24);
  bytes.writeBigInt64BE(CURSOR.createTime);
  bytes.write(CURSOR.id.replaceAll("-", ""), 8, "hex");
  const signature = createHmac("sha256", key).update(JSON.stringify(SCOPE)).update(bytes).digest();
  const token = Buffer.concat([bytes, signature.subarray(0, 16)]).toString("base64url");

  const withKey = await createStore(key).start({ days: 0 });
  const without = await createStore().start({ days: 0 });

  expect(await withKey.parse(token, SCOPE)).toEqual(CURSOR);
  await expect(without.parse(token, SCOPE)).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
});

test("a key that cannot be read when its period begins is asked for again, and the old one signs", async () => {
  const clock = { days: 0 };
  let isAway = false;
  const read = {
    ofBefore: async () => undefined,
    ofPeriod: (period: number) =>
      isAway ? Promise.reject(new Error("away")) : Promise.resolve(Buffer.alloc(32, period)),
  };
  const pages = createPages(await createPageKeys(read, () => clock.days * DAY_MS));
  const old = pages.toToken(CURSOR, SCOPE);

  [isAway, clock.days] = [true, 30];
  const meanwhile = pages.toToken(CURSOR, SCOPE);
  isAway = false;

  expect(meanwhile).toBe(old);
  await expect.poll(() => pages.toToken(CURSOR, SCOPE)).not.toBe(old);
});
