import { once } from "node:events";
import * as http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { GetUserRequestSchema, type GetUserResponse } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { BadRequestSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { failureOf, frame, post } from "./support/calls.ts";
import { PROTOCOLS, startListeners } from "./support/listeners.ts";
import { bindStreams, type Streams, streamsClient } from "./support/streams.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const TELL = "/test.v1.Streams/Tell";
const REQUEST = frame(toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID })));
const answer = (name: string) => ({ user: { name } });
const BIDI = PROTOCOLS.filter((protocol) => ["gRPC listener", "gRPC", "Connect"].includes(protocol));

test.each(PROTOCOLS)("streams answers over %s", async (protocol) => {
  await using listeners = await start({
    async *tell() {
      for (const name of ["a", "b", "c"]) yield answer(name);
    },
  });

  const names = await collect(streamsClient(listeners, protocol).tell({ id: ID }));

  expect(names).toEqual(["a", "b", "c"]);
});

test.each(BIDI)("streams requests over %s", async (protocol) => {
  await using listeners = await start({
    async ask(requests) {
      let count = 0;
      for await (const _ of requests) count += 1;
      return answer(String(count));
    },
  });

  const { user } = await streamsClient(listeners, protocol).ask(ids(ID, ID, ID));

  expect(user?.name).toBe("3");
});

test.each(BIDI)("answers each request while others are still to come over %s", async (protocol) => {
  await using listeners = await start({
    async *talk(asked) {
      for await (const { id } of asked) yield answer(id);
    },
  });
  const second = Promise.withResolvers<void>();
  async function* requests() {
    yield { id: ID };
    await second.promise;
    yield { id: ID };
  }

  const answers = streamsClient(listeners, protocol).talk(requests())[Symbol.asyncIterator]();
  const first = await answers.next();
  second.resolve();
  const rest = [await answers.next(), await answers.next()];

  expect(first.value?.user?.name).toBe(ID);
  expect(rest.map(({ done }) => done)).toEqual([false, true]);
});

test.each(BIDI)("answers over %s although the handler stops reading early", async (protocol) => {
  await using listeners = await start({
    async *talk(requests) {
      for await (const { id } of requests) {
        yield answer(id);
        return;
      }
    },
  });

  const names = await collect(streamsClient(listeners, protocol).talk(ids(...Array<string>(100).fill(ID))));

  expect(names).toEqual([ID]);
});

test.each(BIDI)("validates each streamed request over %s", async (protocol) => {
  const seen: string[] = [];
  await using listeners = await start({
    async *talk(requests) {
      for await (const { id } of requests) yield answer((seen.push(id), id));
    },
  });

  const error = await failureOf(collect(streamsClient(listeners, protocol).talk(ids(ID, "nonsense", ID))));

  const fields = error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field);
  expect([error.code, fields, seen]).toEqual([Code.InvalidArgument, ["id"], [ID]]);
});

test.each(PROTOCOLS)("masks what a stream throws after its first answer over %s", async (protocol) => {
  await using listeners = await start({
    async *tell() {
      yield answer("a");
      throw new Error("secret");
    },
  });

  const error = await failureOf(collect(streamsClient(listeners, protocol).tell({ id: ID })));

  expect([error.code, error.rawMessage]).toEqual([Code.Internal, "internal error"]);
});

test.each(PROTOCOLS)("stops the handler over %s when the caller cancels", async (protocol) => {
  const stopped = Promise.withResolvers<unknown>();
  const caller = new AbortController();
  await using listeners = await start({
    async *tell(_, { signal }) {
      try {
        for (;;) yield answer("again");
      } finally {
        stopped.resolve(signal.reason);
      }
    },
  });

  const answers = streamsClient(listeners, protocol).tell({ id: ID }, { signal: caller.signal });
  const error = await failureOf(collect(answers, () => caller.abort()));

  expect(error.code).toBe(Code.Canceled);
  expect(await stopped.promise).toMatchObject({ kind: "cancelled" });
});

test.each(["grpc", "http"] as const)(
  "keeps a stream's deadline even if the handler ignores its signal (%s listener)",
  async (listener) => {
    await using listeners = await start({
      async *tell() {
        yield answer("a");
        await new Promise<never>(() => {});
      },
    });
    const { port } = listeners[listener].address;

    // Bytes, because a client library would itself end the call at its deadline.
    const { "grpc-status": status } = await post(port, TELL, REQUEST, { "grpc-timeout": "100m" });

    expect(status).toBe(String(Code.DeadlineExceeded));
    await expect.poll(() => listeners.lines.at(-1)).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  },
);

test.each(["grpc", "http"] as const)(
  "holds the handler while the caller does not read (%s listener)",
  async (listener) => {
    let told = 0;
    const stopped = Promise.withResolvers<void>();
    const name = "x".repeat(10_000);
    await using listeners = await start({
      async *tell() {
        try {
          for (; told < 100_000; told += 1) yield answer(name);
        } finally {
          stopped.resolve();
        }
      },
    });
    const session = http2.connect(`http://127.0.0.1:${listeners[listener].address.port}`);
    const stream = session.request({ ":method": "POST", ":path": TELL, "content-type": "application/grpc" });

    stream.end(REQUEST);
    await once(stream, "response"); // Reads the headers and then nothing.
    const held = await settled(() => told);
    session.destroy();
    await stopped.promise;

    expect(held).toBeLessThan(200);
  },
);

test("says that a two-way stream needs HTTP/2", async () => {
  await using listeners = await start({});
  const url = `http://127.0.0.1:${listeners.http.address.port}/test.v1.Streams/Talk`;

  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/connect+json" },
  });
  const plain = await fetch(url, { method: "POST", headers: { "content-type": "application/json" } });

  const said = { code: "unimplemented", message: expect.stringContaining("HTTP/2") as string };
  expect(JSON.parse((await response.text()).slice(5))).toMatchObject({ error: said });
  expect([plain.status, await plain.json()]).toMatchObject([505, said]);
});

const start = (streams: Partial<Streams>) => startListeners({}, { bindings: [bindStreams(streams)] });

async function* ids(...all: string[]) {
  for (const id of all) yield { id };
}

async function collect(answers: AsyncIterable<GetUserResponse>, onFirst = () => {}): Promise<string[]> {
  const names: string[] = [];
  for await (const { user } of answers) {
    names.push(user?.name ?? "");
    if (names.length === 1) onFirst();
  }
  return names;
}

/** The value once it has stopped changing for a while. */
async function settled(read: () => number): Promise<number> {
  let last = -1;
  await expect
    .poll(
      () => {
        const same = read() === last;
        last = read();
        return same;
      },
      { interval: 100 },
    )
    .toBe(true);
  return last;
}
