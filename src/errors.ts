export { late, malformed, shuttingDown, tooLarge } from "./errors/calls.ts";
export {
  afterwards,
  contention,
  databaseAway,
  databaseOverloaded,
  databaseReadOnly,
  databaseSilent,
  outcomeUnknown,
  poolExhausted,
  repeatable,
  repeatableWith,
  toDomainError,
  type ServerError,
  tooSlow,
  toServerError,
  unanswered,
} from "./errors/database.ts";
export type { Kind } from "./errors/definition.ts";
export {
  createError,
  DomainError,
  type ErrorFacts,
  invalid,
  restoreError,
  type StoredError,
} from "./errors/domain-error.ts";
export { type Reason, reasons, type TransportReason } from "./errors/reasons.ts";
export {
  emailNotFound,
  emailTaken,
  importSuperseded,
  insufficientStock,
  notFound,
  ofChange,
  orderType,
  productType,
  requestIdReused,
  type Shortage,
  staleEtag,
  stockLimit,
  unmet,
  usersNotFound,
  userType,
} from "./errors/resources.ts";
