import { expect, test } from "vitest";
import { explainConnectFailure, toPlace } from "../src/db/engine/connect-failures.ts";
import { PasswordMissing } from "../src/db/engine/credentials.ts";
import { serverError, wireError } from "./support/failures.ts";

const connection = { host: "db", port: 5432, user: "app", database: "shop", ssl: false } as const;

const passes = (error: Error): boolean => explainConnectFailure(error, connection).passing;

test("what a server says while it starts, stops, recovers or has no room may pass", () => {
  const codes = ["57P01", "57P02", "57P03", "53300", "53400", "08006", "58000"];

  expect(codes.filter((code) => !passes(serverError(code)))).toEqual([]);
});

test("what a server refuses the service with does not pass by itself", () => {
  const codes = ["28P01", "28000", "3D000", "08P01", "42501"];

  expect(codes.filter((code) => passes(serverError(code)))).toEqual([]);
  expect(passes(new PasswordMissing())).toBe(false);
});

test("a name or a port that is not there yet may be there later, and so may what is not known here", () => {
  const codes = ["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENOENT", "ETIMEDOUT", undefined];

  expect(codes.filter((code) => !passes(wireError(code)))).toEqual([]);
});

test("a certificate that is not trusted and TLS that fails do not pass by themselves", () => {
  const codes = [
    "CERT_HAS_EXPIRED",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_GET_ISSUER_CERT",
    "CERT_UNTRUSTED",
    "EPROTO",
    "EACCES",
  ];

  expect(codes.filter((code) => passes(wireError(code)))).toEqual([]);
});

test.each([
  ["db", "db:5432"],
  ["::1", "[::1]:5432"],
  ["/run/postgresql", "/run/postgresql/.s.PGSQL.5432"],
])("a database at %s stands at %s", (host, place) => {
  expect(toPlace({ ...connection, host })).toBe(place);
});
