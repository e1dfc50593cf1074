import { expect, test } from "vitest";
import { createError } from "../src/errors.ts";
import { Health } from "../src/gen/grpc/health/v1/health_pb.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { toHostPort } from "../src/rpc/listen.ts";
import { toConnectError } from "../src/rpc/status.ts";
import { arrive, openTelemetry } from "./support/telemetry.ts";

const open = () => openTelemetry({ logLevel: "debug" });

test("a password or a token that is logged by mistake is not in the log", async () => {
  const { lines, telemetry } = await open();

  telemetry.logger.warn({ password: "s3cret", request: { authorization: "Bearer s3cret" } }, "oh");

  expect(lines).toMatchObject([{ password: "[Redacted]", request: { authorization: "[Redacted]" } }]);
});

test("a probe leaves no line in the log, whether it fails or not, and a call one", async () => {
  const { lines, telemetry } = await open();
  const failed = toConnectError(createError("UNKNOWN_SERVICE", "no service"));

  for (const error of [undefined, failed]) telemetry.observe(Health.method.check, true)(arrive()).end(error);
  const before = lines.length;
  telemetry.observe(UserService.method.getUser, false)(arrive("http")).end();

  expect(before).toBe(0);
  expect(lines).toMatchObject([
    { method: "commerce.user.v1.UserService/GetUser", listener: "http", code: "OK" },
  ]);
});

test("an address of IPv6 stands in brackets before its port", () => {
  expect(toHostPort({ host: "::1", port: 50_051 })).toBe("[::1]:50051");
  expect(toHostPort({ host: "127.0.0.1", port: 50_051 })).toBe("127.0.0.1:50051");
});
