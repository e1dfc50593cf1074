import { expect, test } from "vitest";
import { DomainError, type Reason } from "../src/errors.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { toConnectError } from "../src/rpc/status.ts";
import { createTelemetry } from "../src/rpc/telemetry.ts";

const open = () => createTelemetry({ logLevel: "silent", tracesEndpoint: undefined });
const refusal = (reason: Reason) => toConnectError(new DomainError(reason, "too many"));

test("a call that a limit refuses is counted by the limit", async () => {
  await using telemetry = await open();

  const observe = telemetry.observe(UserService.method.getUser, false);
  for (const reason of ["TOO_MANY_CALLS", "TOO_MANY_CALLS", "REQUEST_ID_REUSED"] as const)
    observe("grpc", () => null).end(refusal(reason));

  const { body } = await telemetry.scrape();
  expect(body.match(/^rpc_server_limited_total.*$/gm)).toEqual([
    'rpc_server_limited_total{limit="TOO_MANY_CALLS"} 2',
  ]);
});

test("a connection that a limit refuses is counted by its port and by the limit", async () => {
  await using telemetry = await open();

  telemetry.refused("http", refusal("TOO_MANY_CONNECTIONS"));

  const { body } = await telemetry.scrape();
  expect(body).toContain('rpc_server_limited_total{limit="TOO_MANY_CONNECTIONS"} 1');
  expect(body).toContain('rpc_server_refused_total{door="http",reason="TOO_MANY_CONNECTIONS"} 1');
});
