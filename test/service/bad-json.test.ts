import { afterAll, expect, test } from "vitest";
import { openShop } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());

test.each([
  [
    "half a surrogate pair in a name",
    "user.v1.UserService/CreateUser",
    String.raw`{"email":"eve@example.com","name":"\ud800","password":"correct horse"}`,
  ],
  [
    "half a surrogate pair in a password",
    "user.v1.UserService/CreateUser",
    String.raw`{"email":"eve@example.com","name":"Eve","password":"correct \udfff"}`,
  ],
  [
    "half a surrogate pair in an email",
    "user.v1.UserService/GetUserByEmail",
    String.raw`{"email":"\ud800@example.com"}`,
  ],
  [
    "half a surrogate pair in a product",
    "inventory.v1.InventoryService/CreateProduct",
    String.raw`{"name":"Lamp \ud800"}`,
  ],
  [
    "a number beyond its type",
    "inventory.v1.InventoryService/CreateProduct",
    '{"name":"Lamp","onHand":"9223372036854775808"}',
  ],
  [
    "bytes that are no UTF-8",
    "inventory.v1.InventoryService/CreateProduct",
    Buffer.from('{"name":"Lamp \xff","onHand":1}', "latin1"),
  ],
  [
    "white space for a number",
    "inventory.v1.InventoryService/CreateProduct",
    '{"name":"Lamp","onHand":"  "}',
  ],
  [
    "a number in another base",
    "inventory.v1.InventoryService/CreateProduct",
    '{"name":"Lamp","onHand":"0x10"}',
  ],
  ["text that is no JSON", "user.v1.UserService/ListUsers", "{"],
  ["an unknown field", "user.v1.UserService/ListUsers", '{"pagesize": 3}'],
  ["an unknown enum name", "order.v1.OrderService/ListOrders", '{"status":"ORDER_STATUS_LOST"}'],
])("JSON with %s fails with INVALID_ARGUMENT", async (_, method, body) => {
  const headers = { "content-type": "application/json" };
  const before = await shop.stored();

  const response = await fetch(`${shop.httpUrl}/commerce.${method}`, { method: "POST", headers, body });

  expect(await response.json()).toMatchObject({ code: "invalid_argument" });
  expect(await shop.stored()).toEqual(before);
});

test.each(["Name", "createTime"])(
  "UpdateUser reports a path of a JSON mask as it was written: %s",
  async (path) => {
    const user = await shop.user();
    const body = JSON.stringify({ user: { id: user.id, name: "Grace" }, updateMask: path });

    const headers = { "content-type": "application/json" };
    const url = `${shop.httpUrl}/commerce.user.v1.UserService/UpdateUser`;
    const response = await fetch(url, { method: "POST", headers, body });

    const { code, message } = (await response.json()) as { code: string; message: string };
    expect([code, message]).toEqual(["invalid_argument", expect.stringContaining(`"${path}"`)]);
  },
);
