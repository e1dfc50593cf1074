import { type Name, names, variables } from "./environment.ts";
import { last, nth } from "../lists.ts";

// The prefixes of our variables, without those that many programs use: DATA_, LOG_, OTEL_.
const prefixes = /^(ADMIN|ALLOW_INSECURE|AUTH|CALL|CRDB|DATABASE|GRPC|HTTP|POOL|SHUTDOWN|STREAM|TLS)_/;
// Variables of these names belong to gRPC's libraries and HTTP clients.
const foreign = /^(GRPC_(TRACE|VERBOSITY|(NODE|DEFAULT_SSL|SSL|EXPERIMENTAL|XDS|DNS|PROXY)_.*)|HTTP_PROXY)$/;
// Kubernetes sets these for each service of the namespace, which may be called grpc or crdb-public.
const serviceLinks = /_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/;
const serviceLink = /^(tcp|udp|sctp):\/\//;

/**
 * Returns a line for each variable with one of our prefixes that does not exist: a mistyped limit must not be
 * ignored. Never contains a value, which may be a secret under a mistyped name.
 */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const unknown = Object.keys(env).filter((name) => {
    if (!prefixes.test(name) || foreign.test(name) || Object.hasOwn(variables.shape, name)) return false;
    return !serviceLinks.test(name) && !(name.endsWith("_PORT") && serviceLink.test(env[name] ?? ""));
  });
  return unknown.map((name) => {
    const [nearest] = names.toSorted((one, other) => distance(name, one) - distance(name, other));
    // More than a third of the letters is a different word, and a wrong guess misleads.
    const near = nearest !== undefined && distance(name, nearest) <= name.length / 3;
    return `${name}: is no variable of this service${near ? `; did you mean ${nearest}?` : ""}`;
  });
}

/** What the exporter's library reads by itself. */
const readByLibrary = /^OTEL_EXPORTER_OTLP_(TRACES_)?(HEADERS|COMPRESSION)$/;

/** Variables of OpenTelemetry that nobody reads: not wrong, since a platform sets them for all. */
export function unreadVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(env).filter(
    (name) => name.startsWith("OTEL_") && !Object.hasOwn(variables.shape, name) && !readByLibrary.test(name),
  );
}

/** The given value, for the message about an invalid variable; empty for secrets. */
export function found(name: Name, text: string): string {
  if (variables.shape[name].meta()?.["secret"] === true) return "";
  if (!serviceLink.test(text)) return `, not ${JSON.stringify(text.slice(0, 100))}`;
  const service = name
    .replace(/_PORT$/, "")
    .replaceAll("_", "-")
    .toLowerCase();
  const remedy = `set ${name} for the container, or enableServiceLinks: false for the pod`;
  return `; ${text} comes from Kubernetes for a service named ${service}: ${remedy}`;
}

/** The Levenshtein distance: letters to insert, delete or replace. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, letter] of Array.from(one).entries()) {
    const next = [i + 1];
    for (const [j, otherLetter] of Array.from(other).entries()) {
      next.push(
        Math.min(nth(next, j) + 1, nth(row, j + 1) + 1, nth(row, j) + (letter === otherLetter ? 0 : 1)),
      );
    }
    row = next;
  }
  return last(row);
}
