import { DomainError } from "../errors.ts";

/**
 * What a batch write answers for one of its rows: the resource, or why this row was refused while others were
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

/** Returns the resource of a batch of one, or throws why it was refused. */
export function expectOne<T>(outcomes: readonly Outcome<T>[]): T {
  const [outcome] = outcomes;
  if (outcome === undefined) throw new Error("a batch write answered no row");
  return expectOk(outcome);
}

/**
 * Asserts that no two requests of a batch share a key: as rows of one statement they would not see each
 * other. Batchers and imports never send such a batch.
 */
export function expectDistinct(keys: readonly string[]): void {
  if (new Set(keys).size < keys.length) throw new Error("two requests of a batch share a key");
}
