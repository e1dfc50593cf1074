/** How far an order is; the lower-case names of the contract's OrderStatus. */
export type Status = "pending" | "confirmed" | "shipped" | "delivered" | "cancelled";

/** A line of an order. Prices and totals are whole ten-thousandths. */
export type Line = { readonly productId: string; readonly quantity: number; readonly unitPrice: number };

/** One step of an order; an empty etag is none. */
export type StatusChange = { readonly id: string; readonly status: Status; readonly etag: string };

/**
 * A call that changes something. What it makes can be told from what any other call makes by its content
 * alone, so that the checker trusts no id of the service: names and unit prices are each used by one call
 * only.
 */
export type Mutation = { readonly requestId: string } & (
  | { readonly method: "CreateUser"; readonly email: string; readonly name: string }
  | { readonly method: "UpdateUser"; readonly id: string; readonly name: string; readonly etag: string }
  | { readonly method: "CreateProduct"; readonly name: string; readonly onHand: number }
  | { readonly method: "AdjustStock"; readonly productId: string; readonly delta: number }
  | {
      readonly method: "CreateOrder";
      readonly userId: string;
      readonly lines: readonly Line[];
      readonly reserves: boolean;
    }
  | {
      readonly method: "UpdateOrderStatus" | "BatchUpdateOrderStatuses";
      readonly changes: readonly StatusChange[];
    }
);

/**
 * A call that changes nothing. The pages of one walk through a list have its number; without a user, of all
 * users.
 */
export type Read =
  | { readonly method: "GetUser" | "GetProduct" | "GetOrder" | "ListOrderEvents"; readonly id: string }
  | { readonly method: "ListOrders"; readonly walk: number; readonly page: number; readonly userId: string };

export type Request = Mutation | Read;

/** Resources as an answer showed them. The version is what the etag stands for. */
export type SeenUser = {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly version: number;
};
export type SeenProduct = {
  readonly id: string;
  readonly name: string;
  readonly onHand: number;
  readonly version: number;
};
export type SeenOrder = {
  readonly id: string;
  readonly userId: string;
  readonly status: Status;
  readonly version: number;
  readonly total: number;
  readonly itemCount: number;
  readonly reserves: boolean;
  /** Microseconds since 1970. */
  readonly createTime: number;
  /** Absent in the BASIC view. */
  readonly lines?: readonly Line[];
};
export type SeenEvent = { readonly orderId: string; readonly version: number; readonly status: Status };

/** What an answer showed. `more`: there is another page. */
export type Seen = {
  readonly users: readonly SeenUser[];
  readonly products: readonly SeenProduct[];
  readonly orders: readonly SeenOrder[];
  readonly events: readonly SeenEvent[];
  readonly more: boolean;
};

/**
 * How an attempt ended for its caller. "failed" is a definite refusal: the call has not happened and will
 * not. After "unknown" it may have happened, or may still happen.
 */
export type Outcome =
  | ({ readonly kind: "ok" } & Seen)
  | { readonly kind: "failed" | "unknown"; readonly code: string; readonly reason: string };

/**
 * One attempt of a call. `invoked` and `returned` are ticks of one clock that gives each event a number of
 * its own: one process sees them all, so that their order is known without a doubt.
 */
export type Entry = {
  readonly client: number;
  readonly invoked: number;
  readonly returned: number;
  readonly request: Request;
  readonly outcome: Outcome;
};

/** Codes that say for certain that the call has not happened. */
const definite = new Set(["NotFound", "FailedPrecondition", "Aborted", "InvalidArgument", "AlreadyExists"]);

/** What a code means for the call. */
export function toKind(code: string): "failed" | "unknown" {
  return definite.has(code) ? "failed" : "unknown";
}

/** Writes a history. */
export type Recorder = {
  readonly history: readonly Entry[];
  /** Records an attempt from now on; `attempt` does not throw. */
  record(client: number, request: Request, attempt: () => Promise<Outcome>): Promise<Outcome>;
};

export function createRecorder(): Recorder {
  const history: Entry[] = [];
  let ticks = 0;
  return {
    history,
    async record(client, request, attempt) {
      const invoked = ++ticks;
      const outcome = await attempt();
      history.push({ client, invoked, returned: ++ticks, request, outcome });
      return outcome;
    },
  };
}

/** All attempts of one call: those with one request id and one content. */
export type Call<M extends Mutation = Mutation> = {
  readonly request: M;
  readonly entries: readonly Entry[];
  /** "ok" if one attempt was; else what the caller was told last. */
  readonly verdict: "ok" | "failed" | "unknown";
  /** When it was first asked for, and when its caller first knew that it had happened (Infinity: never). */
  readonly invoked: number;
  readonly acknowledged: number;
};

/** Gathers the attempts of the calls that change something. */
export function toCalls(history: readonly Entry[]): Call[] {
  const mutations = history.filter((entry) => "requestId" in entry.request);
  const groups = Map.groupBy(mutations, ({ request }) => JSON.stringify(request));
  return [...groups.values()].map((entries) => {
    const last = entries.reduce((a, b) => (a.returned > b.returned ? a : b));
    const oks = entries.filter(({ outcome }) => outcome.kind === "ok");
    return {
      request: last.request as Mutation,
      entries,
      verdict: oks.length > 0 ? "ok" : last.outcome.kind,
      invoked: Math.min(...entries.map(({ invoked }) => invoked)),
      acknowledged: Math.min(...oks.map(({ returned }) => returned)),
    };
  });
}

/** The calls of some methods. */
export function callsOf<M extends Mutation["method"]>(
  calls: readonly Call[],
  ...methods: M[]
): Call<Extract<Mutation, { readonly method: M }>>[] {
  return calls.filter(({ request }) => (methods as string[]).includes(request.method)) as never;
}
