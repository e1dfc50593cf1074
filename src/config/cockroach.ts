import { z } from "zod";
import { choice, hosts, integer } from "./parsers.ts";

/** The variables that describe a connection to CockroachDB. */
export const cockroach = {
  CRDB_HOST: hosts()
    .prefault("localhost")
    .describe(
      "The CockroachDB host: a load balancer, or nodes with commas between them, each with a port if it is " +
        "not `CRDB_PORT`. Any of the `CRDB_*` up to `CRDB_SSL_KEY` selects CockroachDB.",
    ),
  CRDB_PORT: integer(1, 65_535).prefault("26257").describe("The CockroachDB port."),
  CRDB_USER: z.string().prefault("root").describe("The CockroachDB user."),
  CRDB_PASSWORD: z
    .string()
    .optional()
    .meta({ secret: true, description: "The CockroachDB user's password." }),
  CRDB_DATABASE: z.string().prefault("defaultdb").describe("The CockroachDB database."),
  CRDB_SSL_MODE: choice("disable", "require", "verify-ca", "verify-full")
    .prefault("verify-full")
    .describe(
      "TLS to CockroachDB, with libpq's meaning: `disable`, `require`, `verify-ca` or `verify-full`.",
    ),
  CRDB_SSL_ROOT_CERT: z
    .string()
    .optional()
    .describe(
      "A PEM file of the authorities to trust for CockroachDB, or `system` for those of this machine; " +
        "by default those that Node.js trusts.",
    ),
  CRDB_SSL_CERT: z.string().optional().describe("A PEM file with the certificate to show to CockroachDB."),
  CRDB_SSL_KEY: z.string().optional().describe("A PEM file with the private key of `CRDB_SSL_CERT`."),
};
