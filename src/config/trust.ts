import { z } from "zod";
import { url } from "./parsers.ts";

/** The variables for TLS and authentication of callers. */
export const trust = {
  TLS_CERT_FILE: z
    .string()
    .optional()
    .describe("The certificate chain of gRPC and HTTP (PEM). Reloaded when it changes, like the next two."),
  TLS_KEY_FILE: z.string().optional().describe("A PEM file with the private key of `TLS_CERT_FILE`."),
  TLS_CLIENT_CA_FILE: z
    .string()
    .optional()
    .describe("A PEM file of authorities; a caller must present a certificate that one of them signed."),
  AUTH_ISSUER: z
    .string()
    .optional()
    .describe(
      "The `iss` that tokens must have. If set, each call needs a token: `authorization: Bearer <JWT>`.",
    ),
  AUTH_AUDIENCE: z.string().optional().describe("The `aud` that tokens must have."),
  AUTH_JWKS_URL: url().optional().meta({
    secret: true,
    description: "Where the issuer publishes its keys: `https`, or `http` on this machine.",
  }),
  AUTH_TOKEN_TYPE: z
    .string()
    .optional()
    .describe(
      "The `typ` that tokens must have in their header, such as `at+jwt` (RFC 9068), so that ID tokens of " +
        "the same issuer are refused; by default any.",
    ),
  AUTH_KEY_FILE: z
    .string()
    .optional()
    .describe("A file with the issuer's public key (PEM) or keys (JWKS), instead of `AUTH_JWKS_URL`."),
};
