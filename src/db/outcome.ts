import { DomainError } from "../errors.ts";

/** The message types that errors name. */
export const userType = "commerce.user.v1.User";
export const orderType = "commerce.order.v1.Order";
export const productType = "commerce.inventory.v1.Product";

/**
 * What a set write answers for one of its rows: the resource, or why this row was refused while others were
 * not.
 */
export type Outcome<T> = T | DomainError;

/** What became of a row of an import: it is there since now, it was there before, or why it is not. */
export type RowOutcome = Outcome<"inserted" | "existed">;

/** Returns the resource, or throws why the request was refused. */
export function expectOk<T>(outcome: Outcome<T>): T {
  if (outcome instanceof DomainError) throw outcome;
  return outcome;
}

/** Returns the resource of a set of one, or throws why it was refused. */
export function expectOne<T>(outcomes: readonly Outcome<T>[]): T {
  const [outcome] = outcomes;
  if (outcome === undefined) throw new Error("a set write answered no row");
  return expectOk(outcome);
}

/** The same request id stands for another call already. */
export function requestIdReused(): DomainError {
  return new DomainError(
    "invalid",
    "REQUEST_ID_REUSED",
    "request_id: was used before for a call that asked for something else",
    {
      fields: [
        { field: "request_id", description: "was used before for a call that asked for something else" },
      ],
    },
  );
}

/** A resource that a call names does not exist. `type` is the full name of its message. */
export function notFound(type: string, id: string, key: "id" | "email" = "id"): DomainError {
  const name = type.slice(type.lastIndexOf(".") + 1).toLowerCase();
  return new DomainError("not_found", `${name.toUpperCase()}_NOT_FOUND`, `there is no ${name} ${id}`, {
    resource: { type, name: id },
    metadata: { [key]: id },
  });
}

/** A resource has changed since the caller read the version that its etag names. */
export function staleEtag(type: string, id: string): DomainError {
  const name = type.slice(type.lastIndexOf(".") + 1).toLowerCase();
  return new DomainError(
    "aborted",
    "ETAG_MISMATCH",
    `${name} ${id} has another etag now; read it again and send the etag as it stands, quotes included`,
    {
      metadata: { id },
    },
  );
}

/**
 * Asserts that no two requests of a set share a key: as rows of one statement they would not see each other.
 * Batchers and imports never send such a set.
 */
export function expectDistinct(keys: readonly string[]): void {
  if (new Set(keys).size < keys.length) throw new Error("two requests of a set share a key");
}
