import { keysOf } from "../lists.ts";

/** What a status of an order means. */
type StatusFacts = {
  /** The statuses that an order may move to; without any this one is final. */
  readonly next: readonly string[];
  /** Items may be added to the order. */
  readonly takesItems: boolean;
  /** The pieces that the order has reserved are still there: they go back when its user is deleted. */
  readonly holdsStock: boolean;
  /** An order that comes to this status gives back what it has reserved. */
  readonly returnsStock: boolean;
};

/**
 * All statuses of an order, the only place that says what they mean: statements and messages are made from
 * it. The constraint of the table and the contract name the same ones, which a test holds.
 */
const orderStatuses = {
  pending: { next: ["confirmed", "cancelled"], takesItems: true, holdsStock: true, returnsStock: false },
  confirmed: { next: ["shipped", "cancelled"], takesItems: true, holdsStock: true, returnsStock: false },
  shipped: { next: ["delivered"], takesItems: true, holdsStock: false, returnsStock: false },
  delivered: { next: [], takesItems: false, holdsStock: false, returnsStock: false },
  cancelled: { next: [], takesItems: false, holdsStock: false, returnsStock: true },
} as const satisfies Record<string, StatusFacts>;

export type OrderStatus = keyof typeof orderStatuses;

/** The status of an order that has just been placed. */
export const firstStatus = "pending" satisfies OrderStatus;

export const allStatuses: readonly OrderStatus[] = keysOf(orderStatuses);

/** The statuses that an order of this one may move to. */
export function targetsOf(status: OrderStatus): readonly OrderStatus[] {
  return orderStatuses[status].next;
}

/** The statuses from which an order may move to this one. */
export function sourcesOf(target: OrderStatus): readonly OrderStatus[] {
  return allStatuses.filter((status) => targetsOf(status).includes(target));
}

/** Whether an order stays in this status for good. */
export function isFinal(status: OrderStatus): boolean {
  return targetsOf(status).length === 0;
}

/** The statuses of which something is so, as SQL: `status in (${statusesThat(…)})`. */
export function statusesThat(is: (facts: StatusFacts) => boolean): string {
  return allStatuses
    .filter((status) => is(orderStatuses[status]))
    .map((status) => `'${status}'`)
    .join(", ");
}
