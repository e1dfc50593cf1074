/** How far an order is; the lower-case names of the contract's OrderStatus. */
export type Status = "pending" | "confirmed" | "shipped" | "delivered" | "cancelled";

/** A line of an order. Prices and totals are whole ten-thousandths. */
export type Line = { readonly productId: string; readonly quantity: number; readonly unitPrice: number };

/** An order as somebody asks for it. */
export type Draft = { readonly userId: string; readonly lines: readonly Line[]; readonly reserves: boolean };

/** An item that is to be added to an order. */
export type ItemDraft = { readonly orderId: string; readonly line: Line };

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
  | { readonly method: "DeleteUser"; readonly id: string; readonly force: boolean }
  | { readonly method: "CreateProduct"; readonly name: string; readonly onHand: number }
  | { readonly method: "AdjustStock"; readonly productId: string; readonly delta: number }
  | ({ readonly method: "CreateOrder" } & Draft)
  | {
      readonly method: "UpdateOrderStatus" | "BatchUpdateOrderStatuses";
      readonly changes: readonly StatusChange[];
    }
);

/**
 * A call that changes row by row. The first row has the first index: who resumes an import sends the others
 * only. What a row makes is told from all else like what a call makes.
 */
export type Import = {
  readonly requestId: string;
  readonly firstIndex: number;
  readonly stopOnError: boolean;
} & (
  | { readonly method: "ImportOrders" | "IngestOrders"; readonly rows: readonly Draft[] }
  | { readonly method: "ImportOrderItems"; readonly rows: readonly ItemDraft[] }
);

/** A row of ImportOrderItems as a call of its own. There is no such method. */
export type AddItem = { readonly requestId: string; readonly method: "AddItem" } & ItemDraft;

/**
 * What has one effect: a call, or a row of an import, which is answered "as if the row had been a call of its
 * own".
 */
export type Change = Mutation | AddItem;

/**
 * A call that changes nothing. The pages of one walk through a list have its number; without a user, of all
 * users.
 */
export type Read =
  | { readonly method: "GetUser" | "GetProduct" | "GetOrder" | "ListOrderEvents"; readonly id: string }
  | { readonly method: "ListOrders"; readonly walk: number; readonly page: number; readonly userId: string };

export type Request = Mutation | Import | Read;

/** Whether a call is a row of an import, whose id begins with that of the import. */
export function isRow(request: Entry["request"]): boolean {
  return "requestId" in request && request.requestId.includes("#");
}

export function isImport(request: Request | Change): request is Import {
  return "firstIndex" in request;
}

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

/** How many rows of an import were inserted, were there before and were refused. */
export type RowCounts = { readonly inserted: number; readonly existing: number; readonly refused: number };

/** An answer in the middle of an import: what became of the rows of a chunk, and when its caller knew. */
export type Chunk = Omit<RowCounts, "refused"> & {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly refused: readonly { readonly index: number; readonly code: string; readonly reason: string }[];
  readonly returned: number;
};

/** What an answer showed. `more`: there is another page. The summary is that of IngestOrders. */
export type Seen = {
  readonly users: readonly SeenUser[];
  readonly products: readonly SeenProduct[];
  readonly orders: readonly SeenOrder[];
  readonly events: readonly SeenEvent[];
  readonly more: boolean;
  readonly summary?: RowCounts;
};

/**
 * How an attempt ended for its caller. "failed" is a definite refusal: the call has not happened and will
 * not. After "unknown" it may have happened, or may still happen.
 */
export type Outcome =
  | ({ readonly kind: "ok" } & Seen)
  | { readonly kind: "failed" | "unknown"; readonly code: string; readonly reason: string };

/**
 * One attempt of a call, or of a row of an import. Chunks were answered before the attempt ended, even if it
 * ended badly; only imports have some. `invoked` and `returned` are ticks of one clock that gives each event
 * a number of its own: one process sees them all, so that their order is known without a doubt.
 */
export type Entry = {
  readonly client: number;
  /** The replica that was called, where there are several. */
  readonly replica?: number;
  readonly invoked: number;
  readonly returned: number;
  readonly request: Request | AddItem;
  readonly outcome: Outcome;
  readonly chunks: readonly Chunk[];
};

/** Tells of a chunk as soon as it is answered. */
export type Acknowledge = (chunk: Omit<Chunk, "returned">) => void;

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
  record(
    client: number,
    request: Request,
    attempt: (acknowledge: Acknowledge) => Promise<Outcome>,
    replica?: number,
  ): Promise<Entry>;
};

export function createRecorder(): Recorder {
  const history: Entry[] = [];
  let ticks = 0;
  return {
    history,
    async record(client, request, attempt, replica) {
      const invoked = ++ticks;
      const chunks: Chunk[] = [];
      const outcome = await attempt((chunk) => chunks.push({ ...chunk, returned: ++ticks }));
      const at = replica !== undefined && { replica };
      const entry = { client, ...at, invoked, returned: ++ticks, request, outcome, chunks };
      history.push(entry);
      return entry;
    },
  };
}

/** All attempts of one call, or one row: those with one request id and one content. */
export type Call<M extends Change = Change> = {
  readonly request: M;
  readonly entries: readonly Entry[];
  /**
   * "ok" if one attempt was. Else "failed" if one attempt was refused, at whichever replica: the call has not
   * happened and never will, also where other attempts are unknown. A row of an import that is asked for
   * again after that is decided anew, and may be unknown.
   */
  readonly verdict: "ok" | "failed" | "unknown";
  /** When it was first asked for, and when its caller first knew that it had happened (Infinity: never). */
  readonly invoked: number;
  readonly acknowledged: number;
};

/** Gathers the attempts of the calls, and of the rows, that change something. */
export function toCalls(history: readonly Entry[]): Call[] {
  const mutations = history.filter(({ request }) => "requestId" in request && !isImport(request));
  const groups = Map.groupBy(mutations, ({ request }) => JSON.stringify(request));
  return [...groups.values()].map((entries) => {
    const last = entries.reduce((a, b) => (a.returned > b.returned ? a : b));
    const oks = entries.filter(({ outcome }) => outcome.kind === "ok");
    return {
      request: last.request as Change,
      entries,
      verdict: oks.length > 0 ? "ok" : toVerdict(entries, isRow(last.request)),
      invoked: Math.min(...entries.map(({ invoked }) => invoked)),
      acknowledged: Math.min(...oks.map(({ returned }) => returned)),
    };
  });
}

/** What became of a call, or a row, that no attempt was acknowledged of. */
function toVerdict(entries: readonly Entry[], isDecidedAnew: boolean): "failed" | "unknown" {
  const of = (kind: Outcome["kind"]): Entry[] => entries.filter(({ outcome }) => outcome.kind === kind);
  const refused = Math.max(...of("failed").map(({ returned }) => returned));
  const isOver = !isDecidedAnew || of("unknown").every(({ invoked }) => invoked < refused);
  return of("failed").length > 0 && isOver ? "failed" : "unknown";
}

/** The calls of some methods. */
export function callsOf<M extends Change["method"]>(
  calls: readonly Call[],
  ...methods: M[]
): Call<Extract<Change, { readonly method: M }>>[] {
  return calls.filter(({ request }) => (methods as string[]).includes(request.method)) as never;
}
