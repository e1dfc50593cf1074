import { expect, test } from "vitest";
import { DomainError, type Reason } from "../src/errors.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { toConnectError } from "../src/rpc/status.ts";
import { arrive, openTelemetry } from "./support/telemetry.ts";

const refusal = (reason: Reason) => toConnectError(new DomainError(reason, "too many"));

test("a call that a limit refuses is counted by the limit", async () => {
  const { telemetry } = await openTelemetry();

  const observe = telemetry.observe(UserService.method.getUser, false);
  for (const reason of ["TOO_MANY_CALLS", "TOO_MANY_CALLS", "REQUEST_ID_REUSED"] as const)
    observe(arrive()).end(refusal(reason));

  const { body } = await telemetry.scrape();
  expect(body.match(/^rpc_server_limits_met_total.*$/gm)).toEqual([
    'rpc_server_limits_met_total{limit="TOO_MANY_CALLS"} 2',
  ]);
});

test("a connection that a limit refuses is counted by its port and by the limit", async () => {
  const { telemetry } = await openTelemetry();

  telemetry.refused("http", refusal("TOO_MANY_CONNECTIONS"));

  const { body } = await telemetry.scrape();
  expect(body).toContain('rpc_server_limits_met_total{limit="TOO_MANY_CONNECTIONS"} 1');
  expect(body).toContain(
    'rpc_server_requests_refused_total{listener="http",error_type="TOO_MANY_CONNECTIONS"} 1',
  );
});
