import { expect, test } from "vitest";
import { calls } from "../scripts/walk/calls.ts";
import { InventoryService } from "../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { runToEnd } from "./support/processes.ts";

/** Runs `npm run walk` to its end. */
const walk = (...args: string[]) => runToEnd(process.execPath, ["scripts/walk.ts", ...args]);

test("a walk leads from the wire by the service and its statement to the driver", async () => {
  const { code, stdout, stderr } = await walk("GetUser", "--times", "2");

  expect([code, stderr]).toEqual([0, ""]);
  const files = Array.from(stdout.matchAll(/^src\/(\S+): \d+$/gm), ([, file]) => file);
  const known = [
    "rpc/turns.ts",
    "rpc/handlers.ts",
    "services/users.ts",
    "db/batchers.ts",
    "db/users/users.ts",
  ];
  expect(files).toEqual(expect.arrayContaining(known));
  const order = ["rpc/handlers.ts", "services/users.ts", "db/batchers.ts", "db/engine/batcher.ts"];
  expect(files.filter((file) => order.includes(file!))).toEqual(order);
  // The whole path: from the batcher, over the statement, to the driver.
  const path = Array.from(stdout.matchAll(/^ +\d+ \S+ {2}src\/(\S+):\d+$/gm), ([, file]) => file);
  expect(path[0]).toBe("db/engine/batcher.ts");
  expect(path).toContain("db/users/users.ts");
  expect(path.at(-1)).toMatch(/^db\/engine\//);
  expect(stdout).toContain(`\nto client.query: ${path.length} hops in ${new Set(path).size} files\n`);
});

test("each method of the contract can be walked", () => {
  const methods = [UserService, OrderService, InventoryService].flatMap((service) => service.methods);

  expect(Object.keys(calls)).toEqual(methods.map(({ name }) => name));
});

test.each([
  [["GetNobody"], "no such method: GetNobody"],
  [["GetUser", "--times", "0"], "--times takes 1 to 100"],
  [["--far"], "'--far'"],
])("a walk with %j ends with 2 and says why", async (args, why) => {
  expect(await walk(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(why) as string });
});
