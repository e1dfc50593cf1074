import { createError, DomainError, type ErrorFacts, invalid } from "./domain-error.ts";

/** The message types that errors name. */
export const userType = "commerce.user.v1.User";
export const orderType = "commerce.order.v1.Order";
export const productType = "commerce.inventory.v1.Product";

const resources = {
  [userType]: { name: "user", missing: "USER_NOT_FOUND" },
  [orderType]: { name: "order", missing: "ORDER_NOT_FOUND" },
  [productType]: { name: "product", missing: "PRODUCT_NOT_FOUND" },
} as const;

type ResourceType = keyof typeof resources;

/** A resource that a call names does not exist. */
export function notFound(type: ResourceType, id: string): DomainError {
  const { name, missing } = resources[type];
  return createError(missing, `there is no ${name} ${id}`, {
    resource: { type, name: id },
    metadata: { id },
  });
}

/** No user has the email that a call names. */
export function emailNotFound(email: string): DomainError {
  return createError("USER_NOT_FOUND", `there is no user ${email}`, {
    resource: { type: userType, name: email },
    metadata: { email },
  });
}

/** As many ids as fit into the trailers that every client takes. */
const missingMax = 20;

/** Users that a batch names do not exist: one or more. */
export function usersNotFound(missing: readonly string[]): DomainError {
  const count =
    missing.length === 1 ? "there is no user" : `${missing.length} users do not exist, the first is`;
  return createError("USER_NOT_FOUND", `${count} ${missing[0]}`, {
    resource: { type: userType, name: missing[0]! },
    metadata: { missing: missing.slice(0, missingMax).join(",") },
  });
}

/** Another user has the email that a call gives one. */
export function emailTaken(cause?: unknown): DomainError {
  return createError(
    "EMAIL_TAKEN",
    "another user has this email",
    { resource: { type: userType, name: "email" } },
    cause,
  );
}

/** The same request id stands for another call already. */
export function requestIdReused(): DomainError {
  return invalid(
    "request_id",
    "was used before for a call that asked for something else",
    "REQUEST_ID_REUSED",
  );
}

/** A resource has changed since the caller read the version that its etag names; it has `etag` now. */
export function staleEtag(type: ResourceType, id: string, etag: string): DomainError {
  const { name } = resources[type];
  return createError(
    "ETAG_MISMATCH",
    `${name} ${id} has another etag now; read it again and send the etag as it stands, quotes included`,
    { metadata: { id, etag } },
  );
}

/** What would have to hold of a resource first: a violation of a PreconditionFailure. */
export function unmet(
  condition: "STATUS" | "ITEMS" | "TOTAL" | "STOCK" | "ORDERS",
  type: ResourceType,
  id: string,
  description: string,
): NonNullable<ErrorFacts["violations"]>[number] {
  return { type: condition, subject: `${type}/${id}`, description };
}

/** A product of which more is asked for than there is, in pieces. */
export type Shortage = { readonly productId: string; readonly onHand: bigint; readonly requested: bigint };

/** As many products as an answer names, in the trailers that every client takes. */
const shortagesMax = 10;

/** There is less in stock of products than a call or a row asks for: one or more. */
export function insufficientStock(shortages: readonly [Shortage, ...Shortage[]]): DomainError {
  const [{ productId, onHand, requested }] = shortages;
  const named = shortages.slice(0, shortagesMax);
  return createError(
    "INSUFFICIENT_STOCK",
    `there is too little stock of product ${productId}: ${onHand}, and ${requested} asked for`,
    {
      violations: named.map((each) =>
        unmet("STOCK", productType, each.productId, `${each.onHand} in stock, ${each.requested} asked for`),
      ),
      metadata: {
        product_id: productId,
        on_hand: onHand.toString(),
        requested: requested.toString(),
        shortages: named.map((each) => `${each.productId}:${each.onHand}:${each.requested}`).join(","),
      },
    },
  );
}

/** An adjustment would lift the stock of a product above its limit. */
export function stockLimit(productId: string, onHand: bigint, description: string): DomainError {
  return createError("STOCK_LIMIT", `product ${productId}: ${description}`, {
    violations: [unmet("STOCK", productType, productId, description)],
    metadata: { product_id: productId, on_hand: onHand.toString() },
  });
}

/** A chunk of an import was not written: another attempt at the import has begun. */
export function importSuperseded(): DomainError {
  return createError(
    "IMPORT_SUPERSEDED",
    "another attempt at this import has begun; this one writes nothing any more",
  );
}

/** Why one change of an atomic batch was refused, and with it the batch. */
export function ofChange(index: number, { reason, message, facts }: DomainError): DomainError {
  return new DomainError(reason, `changes[${index}]: ${message}`, {
    ...facts,
    metadata: { ...facts.metadata, index: index.toString() },
  });
}
