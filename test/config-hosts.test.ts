import { expect, test } from "vitest";
import { parseConfig } from "../src/config.ts";
import { findProblems } from "./support/problems.ts";

test.each<[string, Record<string, string>]>([
  ["in CRDB_HOST", { CRDB_HOST: "n1,n2:26258,[::1]:26259,::2", CRDB_USER: "app" }],
  ["in DATABASE_URL", { DATABASE_URL: "cockroachdb://app:a,b@n1,n2:26258,[::1]:26259,::2/defaultdb" }],
  [
    "where the engine is said apart",
    {
      DATABASE_URL: "postgres://app@n1:26257,n2:26258,[::1]:26259,[::2]:26257/defaultdb",
      DATABASE_ENGINE: "cockroachdb",
    },
  ],
])("takes several nodes of CockroachDB %s, with the usual port or their own", (_, env) => {
  const { database } = parseConfig(env);

  const otherHosts = [
    { host: "n2", port: 26_258 },
    { host: "::1", port: 26_259 },
    { host: "::2", port: 26_257 },
  ];
  const ssl = { rejectUnauthorized: true };
  expect(database).toMatchObject({ connection: { host: "n1", port: 26_257, otherHosts, user: "app", ssl } });
});

test.each(["n1,", ",n1", "n1,n2:0", "n1,n2:65536", "n1,,n2", "n1,n2:", "n1 ,n2", "n1,n2:x", "n1,1.2.3"])(
  "refuses %s as nodes of CockroachDB",
  (hosts) => {
    expect(findProblems({ CRDB_HOST: hosts })).toHaveLength(1);
    expect(findProblems({ DATABASE_URL: `cockroachdb://app@${hosts}/shop` })).toHaveLength(1);
  },
);

test("TLS is not left out where one of several nodes is another machine", () => {
  const ofHosts = (hosts: string) =>
    parseConfig({ DATABASE_URL: `cockroachdb://app:p@${hosts}/shop` }).database;

  expect(ofHosts("localhost,127.0.0.1:2")).toMatchObject({ connection: { ssl: false } });
  expect(ofHosts("localhost,n2")).toMatchObject({ connection: { ssl: { rejectUnauthorized: true } } });
});

test("names several hosts in DATABASE_URL as what they are", () => {
  const problems = ["h1,h2", "h1:1,h2:2"].map((hosts) =>
    findProblems({ DATABASE_URL: `postgres://app@${hosts}/shop` }),
  );

  const line = "names several hosts, which only CockroachDB takes; name the one that takes writes";
  expect(problems).toEqual([[`DATABASE_URL: ${line}`], [`DATABASE_URL: ${line}`]]);
});
