import { toEtag } from "../etag.ts";
import { createError, type DomainError, notFound, orderType, staleEtag, unmet } from "../../errors.ts";
import { isFinal, targetsOf, type OrderStatus } from "../order-status.ts";

/** An order as it was before a change. */
export type Before = { readonly was: OrderStatus; readonly versionBefore: bigint };

/** A change that was not made. */
export type Refused =
  | { readonly verdict: "unknown" }
  | ({ readonly verdict: "stale" | "forbidden" } & Before);

/** Why an order does not move to a status. */
export function refusal(
  { orderId, status }: { readonly orderId: string; readonly status: OrderStatus },
  refused: Refused,
): DomainError {
  switch (refused.verdict) {
    case "unknown":
      return notFound(orderType, orderId);
    case "stale":
      return staleEtag(orderType, orderId, toEtag(refused.versionBefore));
    case "forbidden":
      return forbidden(orderId, refused.was, status);
    default:
      return refused satisfies never;
  }
}

function forbidden(orderId: string, was: OrderStatus, status: OrderStatus): DomainError {
  const from = was.toUpperCase();
  const to = status.toUpperCase();
  const targets = targetsOf(was).map((target) => target.toUpperCase());
  const allowed = isFinal(was)
    ? `${from} is final`
    : `from ${from} it can only become ${targets.join(" or ")}`;
  return createError("FORBIDDEN_STATUS_CHANGE", `order ${orderId} cannot become ${to}: ${allowed}`, {
    violations: [unmet("STATUS", orderType, orderId, allowed)],
    metadata: { id: orderId, from, to },
  });
}
