import { cors as connectCors } from "@connectrpc/connect";
import cors from "cors";
import { callIdHeader } from "../telemetry/call-id.ts";
import type { Request, Response } from "./refusals.ts";

/** Lets pages of other origins call, if they may; answers their preflights. Calls `next` for all else. */
export type Cors = (request: Request, response: Response, next: () => void) => void;

/** A preflight is answered the same for two hours, the longest that Chromium remembers it. */
const PREFLIGHT_SECONDS = 7_200;

/** Headers of callers that are not Connect's: tokens, traces and the ids of calls. */
const callersHeaders = ["Authorization", "Traceparent", "Tracestate", callIdHeader];

/**
 * Allows pages of these origins, or of all origins for "*". Others get no header, so that a browser keeps the
 * answers from them. Cookies are never asked for.
 */
export function createCors(origins: readonly string[]): Cors {
  if (origins.length === 0) return (_request, _response, next) => next();
  const isAllowed = (origin: string | undefined): boolean =>
    origin !== undefined && (origins.includes("*") || origins.includes(origin));
  const allow = cors({
    origin: (origin, callback) => callback(null, isAllowed(origin) && origin),
    methods: [...connectCors.allowedMethods],
    allowedHeaders: [...connectCors.allowedHeaders, ...callersHeaders],
    exposedHeaders: [...connectCors.exposedHeaders, callIdHeader],
    maxAge: PREFLIGHT_SECONDS,
  });
  return (request, response, next) => allow(request, response, next);
}
