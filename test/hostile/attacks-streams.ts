import { randomUUID } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  AuthenticateUserRequestSchema,
  CreateUserRequestSchema,
  ListUsersRequestSchema,
} from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { ServerReflectionRequestSchema } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import type { Answer } from "./answers.ts";
import type { Attack, Form } from "./attack.ts";
import {
  AUTHENTICATE_USER,
  compress,
  CREATE_USER,
  INGEST_ORDERS,
  inParallel,
  LIST_USERS,
  orUnanswered,
  portOf,
  REFLECTION,
  toBody,
  toFields,
  toPrefix,
  WATCH,
  type Way,
} from "./messages.ts";
import { connectPeer, type Stream } from "./peer.ts";
import type { Target } from "./target.ts";

/** As many as the service takes on one connection. */
const STREAMS_MAX = 128;
const EXHAUSTED = "RESOURCE_EXHAUSTED *";
const REFUSED = "RST_STREAM REFUSED_STREAM";

/** Opens streams on as few connections as hold them, and waits for the answer of each. */
async function openMany(
  target: Target,
  way: Way,
  { count, ms }: Form,
  open: (peer: Awaited<ReturnType<typeof connectPeer>>, index: number) => Stream,
  window?: number,
): Promise<Answer[]> {
  using stack = new DisposableStack();
  const connections = Math.ceil(count / STREAMS_MAX);
  const peers = await inParallel(connections, async () =>
    stack.use(await connectPeer(portOf(target, way), window === undefined ? {} : { window })),
  );
  return await inParallel(count, (index) =>
    orUnanswered(open(peers[index % connections]!, index).answer, ms),
  );
}

const idleIngest = (way: Way, mode: "open" | "authenticated"): Attack => ({
  name: `idle-ingest-${way === "gRPC port" ? "grpc" : "http"}-${mode}`,
  what: `streams of IngestOrders on which nothing is said any more, by ${way}`,
  mode,
  // What it may have is a share, and the rest is refused.
  answers: [EXHAUSTED, "DEADLINE_EXCEEDED STREAM_IDLE", "UNANSWERED"],
  due: [EXHAUSTED],
  // Until a busy machine has refused what is above the share.
  small: { count: 384, ms: 1_000 },
  long: { count: 1_024, ms: 10_000 },
  play: (target, form) =>
    openMany(target, way, form, (peer) => {
      const stream = peer.open(
        toFields(way, INGEST_ORDERS, { ...(mode === "authenticated" && { token: target.token }) }),
      );
      void stream.send(toPrefix(0));
      return stream;
    }),
});

const guess = (email: string) =>
  toBinary(
    AuthenticateUserRequestSchema,
    create(AuthenticateUserRequestSchema, { email, password: "not the password" }),
  );

const logins: Attack = {
  name: "parallel-logins",
  what: "AuthenticateUser for as many accounts at once",
  mode: "open",
  answers: ["UNAUTHENTICATED INVALID_CREDENTIALS", EXHAUSTED],
  small: { count: 400, ms: 8_000 },
  long: { count: 1_024, ms: 15_000 },
  play: (target, form) =>
    openMany(target, "gRPC port", form, (peer, index) => {
      const stream = peer.open(toFields("gRPC port", AUTHENTICATE_USER));
      void stream.send(toBody("gRPC port", guess(`user${index}@example.com`)), { end: true });
      return stream;
    }),
};

const signUps: Attack = {
  name: "parallel-sign-ups",
  what: "CreateUser for as many users at once",
  mode: "open",
  answers: ["OK", EXHAUSTED],
  small: { count: 400, ms: 8_000 },
  long: { count: 1_024, ms: 15_000 },
  play: (target, form) =>
    openMany(target, "gRPC port", form, (peer) => {
      const request = create(CreateUserRequestSchema, {
        email: `${randomUUID()}@example.com`,
        name: "Mallory",
        password: "long enough",
      });
      const stream = peer.open(toFields("gRPC port", CREATE_USER));
      const message = toBinary(CreateUserRequestSchema, request);
      void stream.send(toBody("gRPC port", message), { end: true });
      return stream;
    }),
};

const guessing: Attack = {
  name: "guessing",
  what: "one guess after the other at the password of one account, ten at a time",
  mode: "open",
  answers: ["UNAUTHENTICATED INVALID_CREDENTIALS", EXHAUSTED],
  due: [EXHAUSTED],
  small: { count: 10, ms: 1_000 },
  long: { count: 10, ms: 10_000 },
  async play(target, { count, ms }) {
    using peer = await connectPeer(target.grpc);
    const body = toBody("gRPC port", guess(target.user.email));
    const end = performance.now() + ms;
    const answers = await inParallel(count, async () => {
      const own: Answer[] = [];
      while (performance.now() < end && peer.isOpen()) {
        const stream = peer.open(toFields("gRPC port", AUTHENTICATE_USER));
        void stream.send(body, { end: true });
        own.push(await orUnanswered(stream.answer, 10_000));
      }
      return own;
    });
    return answers.flat();
  },
};

const questions: Attack = {
  name: "unread-reflection",
  what: "questions to reflection whose answers are not read",
  mode: "authenticated",
  answers: ["UNANSWERED", EXHAUSTED, "DEADLINE_EXCEEDED STREAM_IDLE"],
  small: { count: 40_000, ms: 400 },
  long: { count: 400_000, ms: 10_000 },
  async play(target, { count, ms }) {
    const fileContainingSymbol = "commerce.order.v1.OrderService";
    const question = create(ServerReflectionRequestSchema, {
      messageRequest: { case: "fileContainingSymbol", value: fileContainingSymbol },
    });
    const body = toBody("gRPC port", toBinary(ServerReflectionRequestSchema, question));
    const answers: Answer[] = [];
    for (const way of ["gRPC port", "gRPC"] as const) {
      using peer = await connectPeer(portOf(target, way), { window: 0 });
      const stream = peer.open(toFields(way, REFLECTION));
      void stream.send(Buffer.concat(Array.from({ length: count }, () => body)));
      answers.push(await orUnanswered(stream.answer, ms));
    }
    return answers;
  },
};

const watches: Attack = {
  name: "watches",
  what: "streams of Watch, each of which lasts as long as its connection",
  mode: "authenticated",
  answers: ["UNANSWERED", EXHAUSTED, REFUSED, "CLOSED", "GOAWAY *"],
  small: { count: 5_120, ms: 500 },
  long: { count: 5_120, ms: 10_000 },
  play: (target, form) =>
    openMany(target, "gRPC port", form, (peer) => {
      const stream = peer.open(toFields("gRPC port", WATCH));
      void stream.send(toBody("gRPC port", Buffer.of()), { end: true });
      return stream;
    }),
};

/** `window`: how much of each answer the attacker takes. */
const unreadPages = (way: Way, window: number): Attack => ({
  name: `unread-pages-${way === "gRPC port" ? "grpc" : "http"}${window > 0 ? "-begun" : ""}`,
  what: `pages of ListUsers of which ${window} bytes are read, by ${way}`,
  mode: "open",
  answers: [
    "UNANSWERED",
    EXHAUSTED,
    "DEADLINE_EXCEEDED *",
    REFUSED,
    "CLOSED",
    "GOAWAY *",
    "RST_STREAM CANCEL",
  ],
  small: { count: 512, ms: 1_200 },
  long: { count: 1_536, ms: 15_000 },
  play: (target, form) => {
    const page = create(ListUsersRequestSchema, { pageSize: 1_000 });
    const body = toBody(way, toBinary(ListUsersRequestSchema, page));
    const open = (peer: Awaited<ReturnType<typeof connectPeer>>): Stream => {
      const stream = peer.open(toFields(way, LIST_USERS));
      void stream.send(body, { end: true });
      return stream;
    };
    return openMany(target, way, form, open, window);
  },
});

const manySmall: Attack = {
  name: "compressed-messages",
  what: "many small messages in one piece to IngestOrders, each compressed",
  mode: "open",
  answers: ["OK", EXHAUSTED, "INVALID_ARGUMENT *", "DEADLINE_EXCEEDED *"],
  small: { count: 5_000, ms: 2_000 },
  long: { count: 200_000, ms: 30_000 },
  async play(target, { count, ms }) {
    const row = compress(Buffer.of(0x0a, 0), "gzip");
    const body = Buffer.concat(Array.from({ length: count }, () => [toPrefix(row.length, 1), row]).flat());
    return inParallel(2, async (index) => {
      const way = index === 0 ? "gRPC port" : "gRPC";
      using peer = await connectPeer(portOf(target, way));
      const stream = peer.open(toFields(way, INGEST_ORDERS, { coding: "gzip", timeoutMs: ms / 2 }));
      void stream.send(body, { end: true });
      return await orUnanswered(stream.answer, ms);
    });
  },
};

export const streams: readonly Attack[] = [
  ...(["open", "authenticated"] as const).flatMap((mode) => [
    idleIngest("gRPC port", mode),
    idleIngest("gRPC", mode),
  ]),
  logins,
  signUps,
  guessing,
  questions,
  watches,
  unreadPages("gRPC port", 0),
  unreadPages("gRPC", 0),
  unreadPages("gRPC", 1_000),
  manySmall,
];
