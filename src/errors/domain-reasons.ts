import type { Definition } from "./definition.ts";

/** Why the service refuses what a call asks for. */
export const domainReasons = {
  USER_NOT_FOUND: {
    kind: "not_found",
    repeat: "never",
    metadata: {
      id: "by id",
      email: "by email",
      missing: "BatchGetUsers: ids, between commas",
    },
    action: "Use the id or email of a user who exists.",
  },
  ORDER_NOT_FOUND: {
    kind: "not_found",
    repeat: "never",
    metadata: { id: "always", index: "in an atomic batch" },
    action: "Use the id of an order that exists; orders are deleted with their user.",
  },
  PRODUCT_NOT_FOUND: {
    kind: "not_found",
    repeat: "never",
    metadata: { id: "always" },
    action: "Use the id of a product that exists.",
  },
  EMAIL_TAKEN: {
    kind: "already_exists",
    repeat: "never",
    action: "Choose another email: emails are compared without regard to case.",
  },
  ETAG_MISMATCH: {
    kind: "aborted",
    repeat: "never",
    metadata: { id: "always", index: "in an atomic batch" },
    action:
      "Read the resource again, decide anew, and send its etag as it was answered, with a new request_id.",
  },
  REQUEST_ID_REUSED: {
    kind: "invalid",
    repeat: "never",
    metadata: { index: "in an atomic batch" },
    action: "Give each call a request_id of its own, and repeat a call unchanged.",
  },
  FORBIDDEN_STATUS_CHANGE: {
    kind: "failed_precondition",
    repeat: "never",
    metadata: { id: "always", from: "always", to: "always", index: "in an atomic batch" },
    action: "Choose one of the statuses that the PreconditionFailure allows.",
  },
  FINAL_ORDER: {
    kind: "failed_precondition",
    repeat: "never",
    metadata: { id: "always" },
    action: "Add items only to an order whose status takes them.",
  },
  TOO_MANY_ITEMS: {
    kind: "failed_precondition",
    repeat: "never",
    metadata: { id: "always" },
    action: "Put further items into another order.",
  },
  TOTAL_LIMIT: {
    kind: "failed_precondition",
    repeat: "never",
    metadata: { id: "always" },
    action: "Put further items into another order: the total of one has an upper limit.",
  },
  INSUFFICIENT_STOCK: {
    kind: "failed_precondition",
    repeat: "never",
    metadata: { product_id: "always", on_hand: "AdjustStock" },
    action: "Ask for less, or make a new call when there is more in stock.",
  },
  STOCK_LIMIT: {
    kind: "failed_precondition",
    repeat: "never",
    metadata: { product_id: "always", on_hand: "always" },
    action: "Add less: the stock of a product has an upper limit.",
  },
  USER_HAS_ORDERS: {
    kind: "failed_precondition",
    repeat: "never",
    metadata: { id: "always" },
    action: "Set force to delete the orders with the user.",
  },
  TOO_MANY_ORDERS: {
    kind: "failed_precondition",
    repeat: "never",
    metadata: { id: "always" },
    action: "Have an operator delete orders from the database first: there are too many for one call.",
  },
  INVALID_PAGE_TOKEN: {
    kind: "invalid",
    repeat: "never",
    action: "Send the token of the page before with the same arguments, or begin at the first page.",
  },
  MALFORMED_ROW: {
    kind: "invalid",
    repeat: "never",
    action: "Correct this row of the import; the rows beside it are not affected.",
  },
  STOPPED_ON_ERROR: {
    kind: "aborted",
    repeat: "never",
    metadata: { index: "always" },
    action: "Correct the row at index, and resume the import behind the last chunk that was answered.",
  },
  IMPORT_SUPERSEDED: {
    kind: "aborted",
    repeat: "never",
    action:
      "Read the answers of the call that goes on with the import; where none does, repeat it with the same " +
      "request_id.",
  },
  INVALID_CREDENTIALS: {
    kind: "unauthenticated",
    repeat: "never",
    action: "Ask the person for the email and the password again.",
  },
  TOO_MANY_ATTEMPTS: {
    kind: "exhausted",
    repeat: "after_wait",
    action: "Tell the person how long to wait; do not repeat the login unasked.",
  },
  TOO_MANY_PASSWORDS: {
    kind: "exhausted",
    repeat: "after_wait",
    action: "Repeat the call after the delay.",
  },
} as const satisfies Readonly<Record<string, Definition>>;
