import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../../src/gen/google/rpc/error_details_pb.ts";
import { findUncatalogued } from "./catalogue.ts";

/** What a test asserts of an error: the code's name, the stable reason, and what the details name. */
export type Failure = {
  readonly code: string;
  readonly reason: string | undefined;
  readonly fields?: readonly string[];
  readonly resource?: string;
  readonly subjects?: readonly string[];
  readonly retry?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
};

/** Waits for a call to fail and returns how. Fails if the call succeeds. */
export async function failure(call: Promise<unknown>): Promise<Failure> {
  const answer = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("value" in answer) throw new Error(`the call succeeded: ${String(answer.value)}`);
  return toFailure(answer.error);
}

/** Reads an error as a caller can. Throws for one of which the catalogue of reasons says something else. */
export function toFailure(thrown: unknown): Failure {
  const error = ConnectError.from(thrown);
  const uncatalogued = findUncatalogued(error);
  if (uncatalogued.length > 0) throw new Error(uncatalogued.join("; "));
  const [info] = error.findDetails(ErrorInfoSchema);
  const [bad] = error.findDetails(BadRequestSchema);
  const [resource] = error.findDetails(ResourceInfoSchema);
  const [precondition] = error.findDetails(PreconditionFailureSchema);
  const [retry] = error.findDetails(RetryInfoSchema);
  return {
    code: Code[error.code],
    reason: info?.reason,
    ...(bad && { fields: bad.fieldViolations.map(({ field }) => field) }),
    ...(resource && { resource: `${resource.resourceType}/${resource.resourceName}` }),
    ...(precondition && { subjects: precondition.violations.map(({ subject }) => subject) }),
    ...(retry && { retry: true }),
    ...(info && Object.keys(info.metadata).length > 0 && { metadata: info.metadata }),
  };
}

/** Waits for calls and returns how each of them failed, or undefined for one that succeeded. */
export function outcomes(calls: readonly Promise<unknown>[]): Promise<(Failure | undefined)[]> {
  return Promise.all(calls.map((call) => call.then(() => undefined, toFailure)));
}
