import { expect, test } from "vitest";
import { deriveId, fingerprint } from "../src/db/ids.ts";

test("ids are UUIDs of version 5, and stay what they are", () => {
  const requestId = "5B1F6A9E-6d0c-4b7e-9f0a-3f1c9c1f2c57";

  // What the uuid package's v5 answers for the same text.
  expect(deriveId("anonymous", "ImportOrderItems", requestId)).toBe("c20e4ee7-e034-55ec-adf6-1f027a2a3518");
});

test("parts are kept apart", () => {
  expect(fingerprint("a", "b")).not.toBe(fingerprint("ab"));
  expect(fingerprint("a", ["b"])).not.toBe(fingerprint(["a"], "b"));
});

test("an id depends on each part of a call, and not on how its request id is spelled", () => {
  const requestId = "5b1f6a9e-6d0c-4b7e-9f0a-3f1c9c1f2c57";
  const id = deriveId("ada", "CreateUser", requestId);

  const others = [
    deriveId("eve", "CreateUser", requestId),
    deriveId("ada", "DeleteUser", requestId),
    deriveId("ada", "CreateUser", requestId.replace("5b", "5c")),
    deriveId("ada", "CreateUser", requestId, 1),
    fingerprint("ada", "CreateUser", requestId, 0),
  ];

  expect(deriveId("ada", "CreateUser", requestId.toUpperCase())).toBe(id);
  expect(new Set([id, ...others]).size).toBe(6);
});

test("a call without a request id has no id", () => {
  expect(() => deriveId("ada", "CreateUser", "")).toThrow("a call of CreateUser has no request id");
});
