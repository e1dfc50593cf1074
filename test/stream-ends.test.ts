import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ServiceError } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { DomainError } from "../src/errors.ts";
import { failureOf } from "./support/calls.ts";
import { type Listeners, drain, PROTOCOLS, readMetrics, startListeners } from "./support/listeners.ts";
import { sumOf } from "./support/metrics.ts";
import { bindStreams, type Streams, streamsClient, talkByGrpcJs } from "./support/streams.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const BIDI = PROTOCOLS.filter((protocol) => ["gRPC listener", "gRPC", "Connect"].includes(protocol));
// So often that a race between the last answer and the status would show.
const ROUNDS = 50;

const answer = { user: { name: "a" } };
const refusal = () => new DomainError("STOPPED_ON_ERROR", "the second half is refused");
const start = (streams: Partial<Streams>) => startListeners({}, { bindings: [bindStreams(streams)] });

/** A handler that reads ahead, as an import does, answers once and fails. */
const readsAhead: Partial<Streams> = {
  async *talk(requests) {
    const iterator = requests[Symbol.asyncIterator]();
    await iterator.next();
    void iterator.next().catch(() => {});
    yield answer;
    throw refusal();
  },
};

/** What a caller sends: one message and then, until it is released, nothing or ever more. */
const SENDERS = {
  "leaves its side open": async function* (released: Promise<void>) {
    yield { id: ID };
    await released;
  },
  "closes its side": async function* () {
    yield { id: ID };
  },
  "goes on sending": async function* (released: Promise<void>) {
    const over = released.then(() => true);
    do yield { id: ID };
    while (!(await Promise.race([over, nextTurn(false)])));
  },
};
type Sender = keyof typeof SENDERS;
const senders = Object.keys(SENDERS) as Sender[];

test.each(BIDI.flatMap((protocol) => senders.map((sender) => [protocol, sender] as const)))(
  "tells an error right behind an answer over %s to a caller that %s",
  async (protocol, sender) => {
    await using listeners = await start(readsAhead);
    const client = streamsClient(listeners, protocol);

    const seen = [];
    for (let round = 0; round < ROUNDS; round++) {
      const released = Promise.withResolvers<void>();
      seen.push(await endOf(client.talk(SENDERS[sender](released.promise))));
      released.resolve();
    }

    expect(seen).toEqual(Array.from({ length: ROUNDS }, () => [1, Code.Aborted]));
    expect(await counted(listeners, "ABORTED")).toBe(ROUNDS);
  },
);

test.each([true, false])(
  "tells an error right behind an answer to grpc-js, its side closed: %s",
  async (isClosed) => {
    await using listeners = await start(readsAhead);

    const codes = [];
    for (let round = 0; round < ROUNDS; round++) {
      using opened = talkByGrpcJs(listeners);
      opened.call.write({ id: ID });
      if (isClosed) opened.call.end();
      opened.call.resume();
      const [error] = (await once(opened.call, "error")) as [ServiceError];
      codes.push(error.code);
    }

    expect(codes).toEqual(Array.from({ length: ROUNDS }, () => Code.Aborted));
  },
);

test.each(BIDI)("tells a wrong second message over %s to a caller that sends no third", async (protocol) => {
  await using listeners = await start({
    async *talk(requests) {
      for await (const _ of requests) yield answer;
    },
  });
  const client = streamsClient(listeners, protocol);
  async function* wrongAtLast(released: Promise<void>) {
    yield { id: ID };
    yield { id: "nonsense" };
    await released;
  }

  const seen = [];
  for (let round = 0; round < ROUNDS; round++) {
    const released = Promise.withResolvers<void>();
    seen.push(await endOf(client.talk(wrongAtLast(released.promise))));
    released.resolve();
  }

  expect(seen).toEqual(Array.from({ length: ROUNDS }, () => [1, Code.InvalidArgument]));
});

test.each(BIDI)(
  "tells an error of a stream that answers once over %s to a caller that is silent",
  async (protocol) => {
    await using listeners = await start({
      async ask(requests) {
        await requests[Symbol.asyncIterator]().next();
        throw refusal();
      },
    });
    const released = Promise.withResolvers<void>();

    const asked = streamsClient(listeners, protocol).ask(SENDERS["leaves its side open"](released.promise));
    const error = await failureOf(asked);
    released.resolve();

    expect(error.code).toBe(Code.Aborted);
  },
);

test("tells the deadline to a caller whose next message is waited for", async () => {
  const options = { calls: { deadlineMsDefault: 100 }, bindings: [bindStreams({ talk: echo })] };
  await using listeners = await startListeners({}, options);
  using opened = talkByGrpcJs(listeners);

  opened.call.write({ id: ID });
  opened.call.resume();
  const [error] = (await once(opened.call, "error")) as [ServiceError];

  expect(error.code).toBe(Code.DeadlineExceeded);
});

test.each(BIDI)("a drain ends a stream over %s that has sent nothing yet", async (protocol) => {
  const reading = Promise.withResolvers<void>();
  await using listeners = await start({
    async *talk(requests) {
      reading.resolve();
      yield* echo(requests);
    },
  });
  const released = Promise.withResolvers<void>();
  async function* silence() {
    await released.promise;
    yield { id: ID };
  }
  const ended = endOf(streamsClient(listeners, protocol).talk(silence()));
  await reading.promise;

  const finished = await drain(listeners);
  released.resolve();

  expect([await ended, finished]).toEqual([[0, Code.Unavailable], true]);
  expect(listeners.lines.at(-1)).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
});

async function* echo(requests: AsyncIterable<{ id: string }>) {
  for await (const { id } of requests) yield { user: { name: id } };
}

/** How many answers came, and the code of what came behind them. */
async function endOf(answers: AsyncIterable<unknown>): Promise<[number, Code | undefined]> {
  let count = 0;
  try {
    for await (const _ of answers) count += 1;
    return [count, undefined];
  } catch (error) {
    return [count, ConnectError.from(error).code];
  }
}

/** The calls of Talk that were counted with a code. */
async function counted(listeners: Listeners, code: string): Promise<number> {
  const labels = { rpc_method: "test.v1.Streams/Talk", rpc_response_status_code: code };
  return sumOf(await readMetrics(listeners), "rpc_server_call_duration_seconds_count", labels) ?? 0;
}
