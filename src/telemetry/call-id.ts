import { randomUUID } from "node:crypto";

/** The header by which callers and proxies name a request, in both directions. */
export const callIdHeader = "x-request-id";

/** What is taken over from a caller: no more than an id needs, and nothing that breaks a line of a log. */
const acceptable = /^[\w.:+/=@-]{1,128}$/;

/**
 * The id by which a call is found in the logs of all services on its way. It is no `request_id` of the
 * contract: that one names a change, which may take several calls. A class, since each call has one.
 */
export class CallId {
  #id: string | undefined;

  /** Takes the id from the headers of a call; one that is not acceptable is replaced. */
  constructor(header: (name: string) => string | null) {
    const sent = header(callIdHeader);
    this.#id = sent !== null && acceptable.test(sent) ? sent : undefined;
  }

  /** Whether the caller has sent one, or one has been made. */
  get isKnown(): boolean {
    return this.#id !== undefined;
  }

  /** The caller's id, or one that is made when it is first asked for. */
  get value(): string {
    return (this.#id ??= randomUUID());
  }
}
