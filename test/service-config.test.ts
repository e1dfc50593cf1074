import { readFileSync } from "node:fs";
import path from "node:path";
import { getOption } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { services } from "../src/bindings.ts";
import { createError } from "../src/errors.ts";
import { policy } from "../src/gen/commerce/options/v1/options_pb.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { createGrpcJsTransport } from "./support/clients.ts";
import { startListeners } from "./support/listeners.ts";

type Name = { readonly service?: string; readonly method?: string };
type Config = { readonly methodConfig: readonly { readonly name: Name[]; readonly retryPolicy?: unknown }[] };

const text = readFileSync(path.join(import.meta.dirname, "../docs/service-config.json"), "utf8");
const { methodConfig } = JSON.parse(text) as Config;

test("service-config.json names methods of the contract, among them each that is not safe to repeat", () => {
  const toName = ({ service, method }: Name) => `${service}/${method}`;
  const methods = services.flatMap(({ typeName, methods: all }) =>
    all.map((method) => ({ method, name: `${typeName}/${method.name}` })),
  );

  const own = methodConfig.flatMap(({ name }) => name.filter(({ service }) => service).map(toName));
  const unrepeated = methodConfig.flatMap(({ name, retryPolicy }) => (retryPolicy ? [] : name.map(toName)));
  const unsafe = methods.filter(
    ({ method }) =>
      method.idempotency !== IdempotencyLevel.NO_SIDE_EFFECTS &&
      getOption(method, policy).idempotencyKeyField === "",
  );

  expect(own.filter((name) => !methods.some((each) => each.name === name))).toEqual([]);
  expect(unsafe.map(({ name }) => name)).toEqual(["commerce.user.v1.UserService/AuthenticateUser"]);
  expect(unrepeated).toEqual(expect.arrayContaining(unsafe.map(({ name }) => name)));
});

test("a client of @grpc/grpc-js with service-config.json repeats what is UNAVAILABLE, and no login", async () => {
  const id = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
  const calls = { getUser: 0, authenticateUser: 0 };
  const away = () => createError("CONTENTION", "later", { retryAfterMs: 0 });
  await using listeners = await startListeners({
    getUser: async () => {
      if (++calls.getUser === 1) throw away();
      return { user: { id } };
    },
    authenticateUser: async () => {
      calls.authenticateUser += 1;
      throw away();
    },
  });
  const address = `127.0.0.1:${listeners.grpc.address.port}`;
  using transport = createGrpcJsTransport(address, { "grpc.service_config": text });
  const users = createClient(UserService, transport);

  const { user } = await users.getUser({ id });
  const login = users.authenticateUser({ email: "ada@example.com", password: "correct horse" });

  await expect(login).rejects.toThrow("later");
  expect(user).toMatchObject({ id });
  expect(calls).toEqual({ getUser: 2, authenticateUser: 1 });
});
