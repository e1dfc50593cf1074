import { randomUUID } from "node:crypto";

/** The header by which callers and proxies name a request, in both directions. */
export const callIdHeader = "x-request-id";

/** What is taken over from a caller: no more than an id needs, and nothing that breaks a line of a log. */
const acceptable = /^[\w.:+/=@-]{1,128}$/;

/**
 * The id by which a call is found in the logs of all services on its way. It is no `request_id` of the
 * contract: that one names a change, which may take several calls.
 */
export type CallId = {
  /** The caller's id, or one that is made when it is first asked for. */
  readonly value: () => string;
  /** Whether the caller has sent one, or one has been made. */
  readonly isKnown: () => boolean;
};

/** Creates the id of a call from its headers. An id of the caller that is not acceptable is replaced. */
export function createCallId(header: (name: string) => string | null): CallId {
  const sent = header(callIdHeader);
  let id = sent !== null && acceptable.test(sent) ? sent : undefined;
  return { value: () => (id ??= randomUUID()), isKnown: () => id !== undefined };
}
