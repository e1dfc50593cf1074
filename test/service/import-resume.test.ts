import { existsSync, readFileSync } from "node:fs";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import net, { type AddressInfo, type Socket } from "node:net";
import { expect, test } from "vitest";
import { countOrders, readViolations } from "../support/imports.ts";
import { countActive, countConnections } from "../support/metrics.ts";
import { givenFile, importFile as cli } from "../support/import-command.ts";
import { startProxy } from "../support/proxy.ts";
import { run, runToEnd } from "../support/processes.ts";
import { openShop } from "../support/shop.ts";

/** What the resume file says of a file; 0 if there is none yet. */
function readNextIndex(file: string): number {
  const resume = `${file}.resume`;
  if (!existsSync(resume)) return 0;
  return (JSON.parse(readFileSync(resume, "utf8")) as { nextIndex: number }).nextIndex;
}

const goesOn = "the same command goes on and imports nothing twice";

test.each([
  ["killed", "SIGKILL", null, ""],
  ["interrupted", "SIGINT", 130, `ended by SIGINT; ${goesOn}`],
  ["terminated", "SIGTERM", 143, `ended by SIGTERM; ${goesOn}`],
  ["hung up on", "SIGHUP", 129, `ended by SIGHUP; ${goesOn}`],
] as const)("import that was %s goes on behind the last answer", async (_, signal, exit, said) => {
  await using shop = await openShop({}, { through: startProxy });
  await using given = await givenFile(shop, 6_000);
  await using ended = run(process.execPath, ["scripts/import.ts", "--url", shop.grpcUrl, given.file]);
  // Answers are on their way to the command when the next chunk is written already.
  shop.proxy.decide = ({ statement }) => {
    if (statement === "orders.create" && readNextIndex(given.file) > 0) ended.signal(signal);
    return undefined;
  };
  const { code: endCode, stderr } = await ended.ended;
  const nextIndex = readNextIndex(given.file);

  const { code, stdout } = await cli(shop, given.file);

  expect([endCode, stderr]).toEqual([exit, expect.stringContaining(said)]);
  expect(nextIndex).toBeGreaterThan(0);
  expect(nextIndex).toBeLessThan(6_000);
  const [, inserted, existing] = /^(\d+) inserted, (\d+) there before, 0 refused/.exec(stdout)!.map(Number);
  expect([code, inserted! + existing!]).toEqual([0, 6_000]);
  expect([await countOrders(shop), await readViolations(shop)]).toEqual([6_000, []]);
});

test("import --items that was killed goes on in CSV of any line ends, and lists each refused row once", async () => {
  await using shop = await openShop({}, { through: startProxy });
  await using given = await givenFile(shop, 0);
  const orders = await shop.manyOrders(given.ada.id, 50);
  const rows = Array.from({ length: 6_000 }, (_, n) => {
    const quantity = n % 100 === 0 ? "two" : "2";
    const end = ["\r\n", "\n", "\r"][n % 3];
    return `${orders[n % 50]},${given.lamp.id},${quantity},0.05,EUR,"one\r\ntwo"${end}`;
  });
  await writeFile(
    given.file,
    ["order_id,product_id,quantity,unit_price,currency,note\r\n", ...rows].join(""),
  );
  const args = ["scripts/import.ts", "--url", shop.grpcUrl, "--items", given.file];
  await using killed = run(process.execPath, args);
  shop.proxy.decide = ({ statement }) => {
    if (statement === "orders.add_items" && readNextIndex(given.file) > 0) killed.signal("SIGKILL");
    return undefined;
  };
  await killed.ended;
  const nextIndex = readNextIndex(given.file);
  // As if it had been killed between the list and the resume file.
  await appendFile(`${given.file}.refused`, '{"line": 0}\n');

  const { code, stdout } = await cli(shop, "--items", given.file);

  expect(nextIndex).toBeGreaterThan(0);
  expect(nextIndex).toBeLessThan(6_000);
  const [, inserted, existing] = /^(\d+) inserted, (\d+) there before, 60 refused/.exec(stdout)!.map(Number);
  expect([code, inserted! + existing!]).toEqual([1, 5_940]);
  expect(await shop.stored()).toMatchObject({ items: "5940" });
  const refused = (await readFile(`${given.file}.refused`, "utf8")).trim().split("\n");
  const lines = refused.map((each) => (JSON.parse(each) as { line: number }).line);
  expect(lines).toEqual(Array.from({ length: 60 }, (_, n) => 2 + 200 * n));
});

test("import does not go on in a file whose imported rows have changed, or in another one", async () => {
  await using shop = await openShop({}, { through: startProxy });
  await using given = await givenFile(shop, 6_000);
  await using killed = run(process.execPath, ["scripts/import.ts", "--url", shop.grpcUrl, given.file]);
  shop.proxy.decide = ({ statement }) => {
    if (statement === "orders.create" && readNextIndex(given.file) > 0) killed.signal("SIGKILL");
    return undefined;
  };
  await killed.ended;
  // The chunk that it has sent before may still be written.
  await expect.poll(() => countActive(shop)).toBe(0);
  await expect.poll(() => countConnections(shop, "used")).toBe(0);
  const before = await shop.stored();
  await writeFile(given.file, `\n${given.lines.join("\n")}\n`);

  const { code, stdout, stderr } = await cli(shop, given.file);

  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain("the rows that were imported have changed since");
  expect(await shop.stored()).toEqual(before);
});

test("import goes on by itself, from the standard input too, when its connection breaks", async () => {
  await using shop = await openShop({}, { through: startProxy });
  await using given = await givenFile(shop, 4_000);
  const sockets: Socket[] = [];
  const between = net.createServer((client) => {
    const server = net.connect(shop.server.grpc.port, "127.0.0.1");
    sockets.push(
      client.on("error", () => {}),
      server.on("error", () => {}),
    );
    client.pipe(server).pipe(client);
  });
  await new Promise<void>((resolve) => between.listen(0, "127.0.0.1", resolve));
  let chunks = 0;
  shop.proxy.decide = ({ statement }) => {
    if (statement === "orders.create" && ++chunks === 3) for (const each of sockets) each.destroy();
    return undefined;
  };
  const url = `http://127.0.0.1:${(between.address() as AddressInfo).port}`;
  const command = `cat ${given.file} | ${process.execPath} scripts/import.ts --url ${url} -`;

  const { code, stdout } = await runToEnd("sh", ["-c", command]);
  between.close();

  expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+ inserted, \d+ there before, 0 ref/)]);
  expect(sockets.length).toBeGreaterThan(2);
  expect([await countOrders(shop), await readViolations(shop)]).toEqual([4_000, []]);
});
