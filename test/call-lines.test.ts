import { expect, test } from "vitest";
import { DomainError } from "../src/errors.ts";
import { version } from "../src/telemetry/version.ts";
import { callIdHeader } from "../src/telemetry/call-id.ts";
import { PROTOCOLS, startListeners, userClient } from "./support/listeners.ts";
import { failureOf } from "./support/calls.ts";
import { arrive, openTelemetry } from "./support/telemetry.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";

const id = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const away = (): Promise<never> => Promise.reject(new DomainError("DATABASE_UNAVAILABLE", "away"));
const uuid = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[\da-f]{4}-[\da-f]{12}$/;

test.each(PROTOCOLS)("a failed call says over %s who called, from where, and its ids", async (protocol) => {
  const telemetry = { logLevel: "warn", serviceName: "shop" } as const;
  await using listeners = await startListeners({ getUser: away }, { telemetry });
  const headers = {
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    [callIdHeader]: "order-17/retry:2",
  };

  const error = await failureOf(userClient(listeners, protocol).getUser({ id }, { headers }));

  expect(listeners.lines).toEqual([
    {
      level: "warn",
      time: expect.any(String),
      service: "shop",
      version,
      instance: expect.stringMatching(/-\d+$/),
      method: "commerce.user.v1.UserService/GetUser",
      listener: protocol === "gRPC listener" ? "grpc" : "http",
      principal: "anonymous",
      peer: "127.0.0.1",
      x_request_id: "order-17/retry:2",
      trace_id: "0af7651916cd43dd8448eb211c80319c",
      code: "UNAVAILABLE",
      duration_ms: expect.any(Number),
      reason: "DATABASE_UNAVAILABLE",
      msg: "failed",
    },
  ]);
  expect(error.metadata.get(callIdHeader)).toBe("order-17/retry:2");
});

test.each(PROTOCOLS)("a failed call without an id gets one over %s, as its line has it", async (protocol) => {
  await using listeners = await startListeners({ getUser: away }, { telemetry: { logLevel: "warn" } });

  const error = await failureOf(userClient(listeners, protocol).getUser({ id }));

  const made = error.metadata.get(callIdHeader);
  expect(made).toMatch(uuid);
  expect(listeners.lines).toMatchObject([{ x_request_id: made }]);
});

test.each(PROTOCOLS)("the answer to a call with an id has it over %s", async (protocol) => {
  await using listeners = await startListeners({ getUser: async () => ({ user: { id } }) });
  let answered: string | null = null;
  const headers = { [callIdHeader]: "order-17" };

  await userClient(listeners, protocol).getUser(
    { id },
    { headers, onHeader: (sent) => (answered = sent.get(callIdHeader)) },
  );

  expect(answered).toBe("order-17");
});

test.each(["", "a b", 'x"y', "ä", "x".repeat(129)])("an id that is none is replaced: %j", (sent) => {
  expect(arrive("grpc", { [callIdHeader]: sent }).callId.value).toMatch(uuid);
});

test("with an access log each call leaves a line, and a probe none", async () => {
  const { lines, telemetry } = await openTelemetry({ logLevel: "info", accessLog: true });
  const observe = telemetry.observe(UserService.method.getUser, false);

  observe(arrive()).end();
  telemetry.observe(UserService.method.getUser, true)(arrive()).end();

  expect(lines).toMatchObject([
    { level: "info", msg: "answered", code: "OK", x_request_id: expect.any(String) },
  ]);
});

test("the level of the log changes while the service runs, and back", async () => {
  const { lines, telemetry } = await openTelemetry({ logLevel: "warn" });
  const observe = telemetry.observe(UserService.method.getUser, false);

  observe(arrive()).end();
  telemetry.switchLevel();
  observe(arrive()).end();
  telemetry.switchLevel();
  observe(arrive()).end();

  expect(lines.map(({ msg, log_level }) => log_level ?? msg)).toEqual(["debug", "answered", "warn"]);
});
