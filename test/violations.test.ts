import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { DomainError } from "../src/errors.ts";
import { AdjustStockRequestSchema } from "../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { BatchGetUsersRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { createRequestValidator } from "../src/rpc/validation.ts";

const { check } = createRequestValidator();

function violationsOf(violate: () => void): DomainError {
  try {
    violate();
  } catch (error) {
    return error as DomainError;
  }
  throw new Error("nothing was violated");
}

test("an answer tells of ten violations, and how many more there are", () => {
  const request = create(BatchGetUsersRequestSchema, {
    ids: Array.from({ length: 20 }, (_, n) => `id ${n}`),
  });

  const { message, facts } = violationsOf(() => check(BatchGetUsersRequestSchema, request));

  expect(facts.fields?.map(({ field }) => field)).toEqual(Array.from({ length: 10 }, (_, n) => `ids[${n}]`));
  expect(message).toMatch(/^ids\[0\]: .* \(and 19 more\)$/);
});

test("a violation is told in words that speak of the value", () => {
  const request = create(AdjustStockRequestSchema, { productId: "00000000-0000-4000-8000-000000000000" });

  const { message } = violationsOf(() => check(AdjustStockRequestSchema, request));

  expect(message).toBe("delta: must not be zero");
});
