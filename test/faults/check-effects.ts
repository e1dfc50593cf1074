import type { Evidence, Violation } from "./checker.ts";
import { callsOf, type Call, type Change, type Entry } from "./history.ts";
import { toItemMarker, toOrderMarker } from "./import-rows.ts";

/** I3, I4, I5 and I13: what each call promised, against what is stored. */
export function checkEffects(evidence: Evidence): Violation[] {
  const { calls, state, parts } = evidence;
  const users = Map.groupBy(state.users, ({ name }) => toMarker(name));
  const products = Map.groupBy(state.products, ({ name }) => name);
  const orders = Map.groupBy(
    parts.map(({ order, created }) => ({ ...order, lines: created })),
    toOrderMarker,
  );
  const items = Map.groupBy(
    parts.flatMap(({ order: { id }, added }) => added.map((item) => ({ id, ...item }))),
    toItemMarker,
  );
  return [
    ...checkCreations("user", callsOf(calls, "CreateUser"), users, ({ name }) => toMarker(name)),
    ...checkCreations("product", callsOf(calls, "CreateProduct"), products, ({ name }) => name),
    ...checkCreations("order", callsOf(calls, "CreateOrder"), orders, toOrderMarker),
    ...checkCreations("item", callsOf(calls, "AddItem"), items, toItemMarker),
    ...checkUserChanges(evidence),
    ...checkMovements(evidence),
    ...checkReplays(calls),
    ...checkEmails(evidence),
  ];
}

/** The part of a user's name that stays: updates append to it. */
export function toMarker(name: string): string {
  return name.split("/")[0]!;
}

/**
 * Compares how often an effect is stored with how often it may be: once for each acknowledged call, and at
 * most once for each one of unknown outcome.
 */
export function checkCount(calls: readonly Call[], stored: number, what: string, id: string): Violation[] {
  const count = (verdict: Call["verdict"]): number => calls.filter((call) => call.verdict === verdict).length;
  const [acknowledged, unknown, refused] = [count("ok"), count("unknown"), count("failed")];
  const ids = [id, ...calls.map(({ request }) => request.requestId)];
  if (stored < acknowledged) {
    const sentence = `${what}: ${acknowledged} acknowledged, ${stored} stored`;
    return [{ invariant: "I4", ids, sentence }];
  }
  if (stored <= acknowledged + unknown) return [];
  const revived = refused > 0 && stored <= calls.length;
  const answers = `${acknowledged} acknowledged, ${unknown} unknown, ${refused} refused`;
  const sentence = `${what}: ${stored} stored for ${answers}`;
  return [{ invariant: revived ? "I5" : "I3", ids, sentence }];
}

function checkCreations<M extends Change>(
  what: string,
  calls: readonly Call<M>[],
  stored: ReadonlyMap<string, readonly { readonly id: string }[]>,
  toKey: (request: M) => string,
): Violation[] {
  const groups = Map.groupBy(calls, ({ request }) => toKey(request));
  const orphans = [...stored].filter(([key]) => !groups.has(key));
  return [
    ...[...groups].flatMap(([key, group]) => {
      const rows = stored.get(key) ?? [];
      const named = new Set(
        group.flatMap(({ entries }) => entries.flatMap((entry) => answered(entry)[0] ?? [])),
      );
      const strangers = [...named].filter((id) => !rows.some((row) => row.id === id));
      return [
        ...checkCount(group, rows.length, `${what} asked for by one request`, rows[0]?.id ?? "none"),
        ...strangers.map((id) => lost(`${what} ${id} was the answer and is not stored`, id, group)),
      ];
    }),
    ...orphans.map(([, rows]): Violation => {
      const ids = rows.map(({ id }) => id);
      return { invariant: "I3", ids, sentence: `${what} that nobody asked for` };
    }),
  ];
}

/** What was acknowledged is not there. */
export function lost(sentence: string, id: string, calls: readonly Call[]): Violation {
  return { invariant: "I4", ids: [id, ...calls.map(({ request }) => request.requestId)], sentence };
}

/** The ids of the resources that an answer to a change shows. */
function answered({ outcome }: Entry): string[] {
  if (outcome.kind !== "ok") return [];
  return [...outcome.users, ...outcome.products, ...outcome.orders].map(({ id }) => id);
}

/** Each change of a user counts his version up, and the names of refused changes are never seen. */
function checkUserChanges({ history, calls, state }: Evidence): Violation[] {
  const updates = callsOf(calls, "UpdateUser");
  const refused = new Map(
    updates.flatMap(({ request, verdict }) => (verdict === "failed" ? [[request.name, request]] : [])),
  );
  const seen = history.flatMap(({ outcome }) => (outcome.kind === "ok" ? outcome.users : []));
  const revived = [...seen, ...state.users].filter(({ name }) => refused.has(name));
  return [
    ...state.users.flatMap((user): Violation[] => {
      const own = updates.filter(({ request }) => request.id === user.id);
      const stored = state.userChanges.filter(({ userId }) => userId === user.id).length;
      const counted = user.version === 1 + stored;
      const sentence = `user has version ${user.version} after ${stored} changes`;
      return [
        ...checkCount(own, stored, "changes of a user", user.id),
        ...(counted ? [] : [{ invariant: "I3" as const, ids: [user.id], sentence }]),
      ];
    }),
    ...[...new Set(revived.map(({ name }) => name))].map((name): Violation => {
      const { id, requestId } = refused.get(name)!;
      return { invariant: "I5", ids: [id, requestId], sentence: `the refused name ${name} was seen` };
    }),
  ];
}

/** Adjustments of one product by one delta cannot be told apart: they are counted together. */
function checkMovements({ calls, state }: Evidence): Violation[] {
  const toKey = ({ productId, delta }: { productId: string; delta: number }): string =>
    `${productId} ${delta}`;
  const asked = Map.groupBy(callsOf(calls, "AdjustStock"), ({ request }) => toKey(request));
  const stored = Map.groupBy(state.movements, toKey);
  return [...new Set([...asked.keys(), ...stored.keys()])].flatMap((key) => {
    const [productId, delta] = key.split(" ");
    return checkCount(
      asked.get(key) ?? [],
      stored.get(key)?.length ?? 0,
      `adjustment by ${delta}`,
      productId!,
    );
  });
}

/** A repeated call is answered as the first one was, and a request id stands for one content of a method. */
function checkReplays(calls: readonly Call[]): Violation[] {
  const acknowledged = Map.groupBy(
    calls.filter(({ verdict }) => verdict === "ok"),
    ({ request }) => `${request.method} ${request.requestId}`,
  );
  const reused = [...acknowledged.values()].filter((group) => group.length > 1);
  return [
    ...reused.map((group): Violation => {
      const sentence = `one request id stands for ${group.length} contents, all acknowledged`;
      return { invariant: "I3", ids: [group[0]!.request.requestId], sentence };
    }),
    ...calls.flatMap(checkAnswers),
  ];
}

function checkAnswers({ request, entries, acknowledged }: Call): Violation[] {
  const answers = new Set(entries.map((entry) => answered(entry).join()).filter((ids) => ids !== ""));
  const refusal = entries.find(({ outcome, invoked }) => outcome.kind === "failed" && invoked > acknowledged);
  const ids = [request.requestId];
  return [
    ...(answers.size > 1
      ? [{ invariant: "I3" as const, ids, sentence: `answered ${[...answers].join(" and ")}` }]
      : []),
    ...(refusal?.outcome.kind === "failed"
      ? [
          {
            invariant: "I3" as const,
            ids,
            sentence: `acknowledged, and refused later: ${refusal.outcome.reason}`,
          },
        ]
      : []),
  ];
}

/** An email in any case has one user; who is told that it is taken has a rival. */
function checkEmails({ calls, state }: Evidence): Violation[] {
  const creations = callsOf(calls, "CreateUser");
  const toCanonical = (email: string): string => email.trim().toLowerCase();
  const users = Map.groupBy(state.users, ({ email }) => toCanonical(email));
  const shared = [...users].filter(([, group]) => group.length > 1);
  const alone = creations.filter(({ request, entries }) =>
    entries.some(
      ({ outcome, returned }) =>
        outcome.kind === "failed" &&
        outcome.code === "AlreadyExists" &&
        !creations.some(
          (rival) =>
            rival.request.requestId !== request.requestId &&
            toCanonical(rival.request.email) === toCanonical(request.email) &&
            rival.verdict !== "failed" &&
            rival.invoked < returned,
        ),
    ),
  );
  return [
    ...shared.map(([email, group]): Violation => {
      const ids = group.map(({ id }) => id);
      return { invariant: "I13", ids, sentence: `${group.length} users have the email ${email}` };
    }),
    ...alone.map(({ request }): Violation => {
      const sentence = `ALREADY_EXISTS, but nobody else asked for ${request.email}`;
      return { invariant: "I13", ids: [request.requestId], sentence };
    }),
  ];
}

/** INTERNAL is the answer to what nobody has thought of. */
export function checkForeseen({ request, outcome }: Entry): Violation[] {
  if (outcome.kind === "ok" || outcome.code !== "Internal") return [];
  const ids = ["requestId" in request ? request.requestId : request.method];
  return [{ invariant: "I13", ids, sentence: `${request.method} was answered INTERNAL` }];
}
