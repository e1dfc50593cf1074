import { callReasons, methodReasons, transportReasons } from "./catalogue.ts";
import type { Definition } from "./definition.ts";

const catalogue = { ...methodReasons, ...callReasons, ...transportReasons } as const;

/**
 * A stable name for branching, the `reason` of a google.rpc.ErrorInfo (AIP-193). It keeps its kind and its
 * metadata for ever; a new meaning is a new reason.
 */
export type Reason = keyof typeof catalogue;

/** Every reason that callers and metrics see, and what it stands for. */
export const reasons: Readonly<Record<Reason, Definition>> = catalogue;

/** A reason that no handler gives. None of them has metadata or a RetryInfo. */
export type TransportReason = keyof typeof transportReasons;

type Catalogue = typeof catalogue;
type Stated<R extends Reason> = Catalogue[R] extends { readonly metadata: infer M } ? M : unknown;

/** The metadata that an error of a reason has: what is always there, and what may be. */
type MetadataOf<R extends Reason> = {
  readonly [Key in keyof Stated<R> as Stated<R>[Key] extends "always" ? Key : never]: string;
} & {
  readonly [Key in keyof Stated<R> as Stated<R>[Key] extends "always" ? never : Key]?: string;
};

/** A part of the facts: it may be left out where nothing in it is required. */
type Part<Name extends string, Value> = object extends Value
  ? { readonly [Key in Name]?: Value }
  : { readonly [Key in Name]: Value };

type Waits = {
  readonly never: { readonly retryAfterMs?: never };
  readonly after_wait: { readonly retryAfterMs: number };
  readonly at_once: { readonly retryAfterMs: 0 };
  readonly same_request_id: { readonly retryAfterMs?: number };
};

/** What the catalogue says of the facts of a reason: its metadata, and whether it says how long to wait. */
export type CataloguedFacts<R extends Reason> = R extends TransportReason
  ? { readonly metadata?: never; readonly retryAfterMs?: never }
  : R extends Reason
    ? (Catalogue[R] extends { readonly metadata: unknown }
        ? Part<"metadata", MetadataOf<R>>
        : { readonly metadata?: never }) &
        Waits[Catalogue[R]["repeat"]]
    : never;
