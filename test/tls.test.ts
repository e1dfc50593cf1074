import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { credentials, makeClientConstructor, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import type { ConfigError } from "../src/config.ts";
import { GetUserRequestSchema, GetUserResponseSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { loadTls } from "../src/rpc/tls.ts";
import { type Certificate, createAuthority } from "./support/certificates.ts";
import { startListeners } from "./support/listeners.ts";

const authority = createAuthority();
const first = authority.issue("127.0.0.1");
const second = authority.issue("127.0.0.1");

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const same = (bytes: Buffer) => bytes;

/** GetUser, as bytes. */
const bare = {
  GetUser: {
    path: "/commerce.user.v1.UserService/GetUser",
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
};

/** How HTTP/2 begins: the preface, and SETTINGS without a setting. */
const OPENING = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0),
]);

/** How it looks to a caller that its certificate, or that it has none, is not accepted. */
const refused = expect.stringMatching(/^(closed|ECONNRESET|ERR_SSL_.*_CERTIFICATE_REQUIRED)$/);

/** Both listeners with TLS from files of their own, looked at every 5 ms. */
async function open(options: { readonly clientCa?: string } = {}) {
  const stack = new AsyncDisposableStack();
  const directory = await mkdtemp(path.join(tmpdir(), "tls-test-"));
  stack.defer(() => rm(directory, { recursive: true }));
  const file = (name: string) => path.join(directory, name);
  const files = {
    certFile: file("tls.crt"),
    keyFile: file("tls.key"),
    ...(options.clientCa !== undefined && { clientCaFile: file("ca.crt") }),
  };
  await writeFile(files.certFile, first.cert);
  await writeFile(files.keyFile, first.key);
  await writeFile(file("ca.crt"), options.clientCa ?? "");
  const reloads = createQueue<ConfigError | undefined>();
  const tls = stack.use(await loadTls(files, { refreshMs: 5, onReload: reloads.add }));

  const getUser = ({ id }: { readonly id: string }) => ({ user: { id, name: "hello" } });
  const listeners = stack.use(await startListeners({ getUser }, { tls }));
  return {
    files,
    reloads,
    ports: { grpc: listeners.grpc.address.port, http: listeners.http.address.port },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What happened and was not asked for yet; `next` waits for it. */
function createQueue<T>() {
  const values: T[] = [];
  const waiting: ((value: T) => void)[] = [];
  return {
    values,
    add(this: void, value: T) {
      const waiter = waiting.shift();
      if (waiter === undefined) values.push(value);
      else waiter(value);
    },
    next: () =>
      values.length > 0
        ? Promise.resolve(values.shift() as T)
        : new Promise<T>((resolve) => {
            waiting.push(resolve);
          }),
  };
}

/** The certificate that a listener shows, or why it does not let the caller in. */
async function knock(port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", ca: authority.cert, ALPNProtocols: ["h2"], ...options });
  try {
    return await new Promise<string>((resolve) => {
      socket.once("secureConnect", () => socket.write(OPENING));
      // The first bytes say that the server has accepted the caller; TLS 1.3 callers think so before.
      socket.once("data", () => resolve(shownCertificate(socket)));
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      socket.once("close", () => resolve("closed"));
    });
  } finally {
    socket.destroy();
  }
}

function shownCertificate(socket: TLSSocket): string {
  const shown = squeeze(socket.getPeerX509Certificate()?.toString() ?? "");
  if (shown === squeeze(first.cert)) return "first";
  return shown === squeeze(second.cert) ? "second" : "another";
}

function squeeze(pem: string): string {
  return pem.replaceAll(/\s/g, "");
}

/** A caller of the gRPC port by grpc-js: answers what it is told, or the name of the code. */
function createCaller(port: number, client?: Certificate) {
  const Client = makeClientConstructor(bare, "commerce.user.v1.UserService");
  const pair = client && ([Buffer.from(client.key), Buffer.from(client.cert)] as const);
  const channel = new Client(
    `127.0.0.1:${port}`,
    credentials.createSsl(Buffer.from(authority.cert), pair?.[0] ?? null, pair?.[1] ?? null),
  );
  const request = Buffer.from(toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID })));
  return {
    call: () =>
      new Promise<string | undefined>((resolve) => {
        channel["GetUser"]?.call(channel, request, (error: { code: status } | null, answer: Buffer) =>
          resolve(error ? status[error.code] : fromBinary(GetUserResponseSchema, answer).user?.name),
        );
      }),
    [Symbol.dispose]: () => channel.close(),
  };
}

function getStatus(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get({ port, host: "127.0.0.1", ca: authority.cert, agent: false }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode));
    }).on("error", reject);
  });
}

test("both listeners serve with the certificate, HTTP also to HTTP/1.1", async () => {
  await using listeners = await open();
  using caller = createCaller(listeners.ports.grpc);

  const shown = [await knock(listeners.ports.grpc), await knock(listeners.ports.http)];

  expect(shown).toEqual(["first", "first"]);
  expect(await caller.call()).toBe("hello");
  expect(await getStatus(listeners.ports.http)).toBe(404);
});

test("both listeners refuse TLS 1.1", async () => {
  await using listeners = await open();
  const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" } as const;

  const refusals = [await knock(listeners.ports.grpc, old), await knock(listeners.ports.http, old)];

  const alert = "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION";
  expect(refusals).toEqual([alert, alert]);
});

test("with a client authority both listeners refuse a caller without one of its certificates", async () => {
  const callers = createAuthority("callers");
  const friend = callers.issue("friend");
  const stranger = authority.issue("stranger");
  await using listeners = await open({ clientCa: callers.cert });
  using known = createCaller(listeners.ports.grpc, friend);
  using unknown = createCaller(listeners.ports.grpc, stranger);

  const outcomes = await Promise.all(
    [{}, stranger, friend].flatMap((who) => [
      knock(listeners.ports.grpc, who),
      knock(listeners.ports.http, who),
    ]),
  );

  expect(outcomes.slice(4)).toEqual(["first", "first"]);
  expect(outcomes.slice(0, 4)).toEqual([refused, refused, refused, refused]);
  expect(await Promise.all([known.call(), unknown.call()])).toEqual(["hello", "UNAVAILABLE"]);
});

test("a new certificate is served to new connections, and the open ones go on", async () => {
  await using listeners = await open();
  using caller = createCaller(listeners.ports.grpc);
  await caller.call();

  await writeFile(listeners.files.certFile, second.cert);
  await writeFile(listeners.files.keyFile, second.key);
  // Between the two writes the files do not fit together, and somebody may have looked.
  let reload = await listeners.reloads.next();
  if (reload !== undefined) reload = await listeners.reloads.next();

  expect(reload).toBeUndefined();
  expect([await knock(listeners.ports.grpc), await knock(listeners.ports.http)]).toEqual([
    "second",
    "second",
  ]);
  expect(await caller.call()).toBe("hello");
});

test("a new client authority is asked of new callers", async () => {
  const [old, next] = [createAuthority("old"), createAuthority("next")];
  const [late, early] = [old.issue("caller"), next.issue("caller")];
  await using listeners = await open({ clientCa: old.cert });

  await writeFile(listeners.files.clientCaFile ?? "", next.cert);
  await listeners.reloads.next();

  const { grpc, http } = listeners.ports;
  expect([await knock(grpc, early), await knock(http, early)]).toEqual(["first", "first"]);
  expect([await knock(grpc, late), await knock(http, late)]).toEqual([refused, refused]);
});

test.each<[string, "certFile" | "keyFile" | "clientCaFile", string | undefined, string]>([
  ["certificate is gone", "certFile", undefined, "TLS_CERT_FILE: % cannot be read (ENOENT)"],
  ["certificate is none", "certFile", "text", "TLS_CERT_FILE: % holds no PEM certificate"],
  ["key is none", "keyFile", "text", "TLS_KEY_FILE: % holds no unencrypted PEM private key"],
  [
    "key is another's",
    "keyFile",
    second.key,
    "TLS_CERT_FILE, TLS_KEY_FILE: do not fit together (ERR_OSSL_X509_KEY_VALUES_MISMATCH)",
  ],
  ["client authority is none", "clientCaFile", "text", "TLS_CLIENT_CA_FILE: % holds no PEM certificate"],
])(
  "the old certificate stays in use and the problem is told once when the new %s",
  async (_, which, text, said) => {
    await using listeners = await open({ clientCa: authority.cert });
    const file = listeners.files[which] ?? "";

    await (text === undefined ? rm(file) : writeFile(file, text));
    const problem = await listeners.reloads.next();

    const shown = [await knock(listeners.ports.grpc, first), await knock(listeners.ports.http, first)];
    expect(problem?.message.split("\n  ")[1]).toBe(said.replace("%", file));
    expect(shown).toEqual(["first", "first"]);
    expect(listeners.reloads.values).toEqual([]);
  },
);

test("refuses to start with files that are wrong", async () => {
  const files = { certFile: "absent.crt", keyFile: "absent.key" };

  await expect(loadTls(files)).rejects.toThrow("TLS_CERT_FILE: absent.crt cannot be read (ENOENT)");
});
