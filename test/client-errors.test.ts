import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { CommerceError, createCommerceClient } from "../client/src/index.ts";
import { repeats } from "../client/src/gen/reasons.ts";
import { BadRequestSchema } from "../client/src/gen/google/rpc/error_details_pb.ts";
import { createError, invalid, reasons, insufficientStock } from "../src/errors.ts";
import { toConnectError } from "../src/rpc/status.ts";
import { play } from "./support/client.ts";

/** The error with which the client meets one of the service's. */
async function meet(error: unknown): Promise<unknown> {
  const adjustStock = () => {
    throw toConnectError(error);
  };
  const client = createCommerceClient({ transport: play({ inventory: { adjustStock } }), retry: false });
  return client.inventory.adjustStock({}).then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

/** The ErrorInfo of an error that is to be sent. */
function infoOf({ details: [info] }: ConnectError): object {
  if (info === undefined || !("desc" in info)) throw new Error("the error has no details");
  return info.value;
}

const tooLittle = insufficientStock([{ productId: "lamp", onHand: 3n, requested: 9n }]);

test("a reason narrows the facts of an error to its own", async () => {
  const error = await meet(tooLittle);

  if (!(error instanceof CommerceError) || error.reason !== "INSUFFICIENT_STOCK") throw error;
  const { productId, onHand }: { productId: string; onHand: string } = error.facts;
  expect([productId, onHand]).toEqual(["lamp", "3"]);
  // @ts-expect-error: the facts of other reasons are not there.
  expect(error.facts.lastIndex).toBeUndefined();
});

test("a switch over reasons narrows in each of its cases", async () => {
  const tell = (error: CommerceError): string => {
    switch (error.reason) {
      case "INSUFFICIENT_STOCK":
        return `only ${error.facts.onHand} of ${error.facts.productId}`;
      case "FORBIDDEN_STATUS_CHANGE":
        return `${error.facts.from} to ${error.facts.to}`;
      default:
        return Code[error.code];
    }
  };

  expect(tell((await meet(tooLittle)) as CommerceError)).toBe("only 3 of lamp");
  expect(tell((await meet(createError("EMAIL_TAKEN", "taken"))) as CommerceError)).toBe("AlreadyExists");
});

test("an error is a ConnectError, with its details", async () => {
  const error = await meet(invalid("delta", "is zero"));

  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code: Code.InvalidArgument, rawMessage: "delta: is zero" });
  const [violations] = (error as ConnectError).findDetails(BadRequestSchema);
  expect(violations?.fieldViolations[0]?.field).toBe("delta");
});

test("no other error is taken for one of a call", () => {
  expect(new ConnectError("no") instanceof CommerceError).toBe(false);
  expect(new Error("no") instanceof CommerceError).toBe(false);
});

test("a reason that this release does not know falls back to its code", async () => {
  const newer = toConnectError(createError("EMAIL_TAKEN", "taken"));
  Object.assign(infoOf(newer), { reason: "NAME_TAKEN", metadata: { taken_by: "bob" } });

  const error = await meet(newer);

  expect(error).toMatchObject({
    code: Code.AlreadyExists,
    reason: undefined,
    facts: { takenBy: "bob" },
    attempts: 1,
  });
});

test("an error of another domain has no reason", async () => {
  const other = toConnectError(createError("EMAIL_TAKEN", "taken"));
  Object.assign(infoOf(other), { domain: "proxy.example.com" });

  expect(await meet(other)).toMatchObject({ code: Code.AlreadyExists, reason: undefined, facts: {} });
});

test("every reason of the service is known to the client", () => {
  expect(Object.keys(repeats)).toEqual(Object.keys(reasons).toSorted());
});
