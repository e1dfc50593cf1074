import { once } from "node:events";
import * as net from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GetUserRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { frame, post } from "./support/calls.ts";
import { drain, startListeners } from "./support/listeners.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const PORTS = ["grpc", "http"] as const;
const REQUEST = frame(toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID })));

/** How HTTP/2 begins: the preface, and SETTINGS without a setting. */
const OPENING = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0),
]);

/** A connection that says so much and then neither reads, writes nor closes. */
async function fallSilent(port: number, bytes: Uint8Array): Promise<net.Socket> {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => {});
  await once(socket, "connect");
  await new Promise((resolve) => socket.write(bytes, resolve));
  return socket;
}

/** The same after a call that was answered: a client whose network is gone. */
async function fallSilentAfterCall(port: number): Promise<net.Socket> {
  const socket = await fallSilent(port, Buffer.alloc(0));
  await using network = net.createServer((client) => {
    client.pipe(socket, { end: false }).pipe(client);
    client.once("close", () => socket.unpipe().pause());
  });
  await once(network.listen(0, "127.0.0.1"), "listening");
  const path = "/commerce.user.v1.UserService/GetUser";

  await post((network.address() as net.AddressInfo).port, path, REQUEST);
  return socket;
}

const PEERS = {
  "that has connected": (port: number) => fallSilent(port, Buffer.alloc(0)),
  "that has begun to speak": (port: number) => fallSilent(port, OPENING.subarray(0, 10)),
  "that has opened HTTP/2": (port: number) => fallSilent(port, OPENING),
  "whose call was answered": fallSilentAfterCall,
};

test.each(PORTS.flatMap((port) => Object.keys(PEERS).map((peer) => [peer, port] as const)))(
  "a drain does not wait for a silent peer %s (%s port)",
  async (peer, port) => {
    const warnings: string[] = [];
    const note = ({ name }: Error): void => void warnings.push(name);
    process.on("warning", note);
    const getUser = ({ id }: { readonly id: string }) => ({ user: { id } });
    await using listeners = await startListeners({ getUser });
    const sockets = await Promise.all(
      Array.from({ length: 3 }, () => PEERS[peer as keyof typeof PEERS](listeners[port].address.port)),
    );

    const finished = await drain(listeners);
    process.off("warning", note);
    for (const socket of sockets) socket.destroy();

    expect([finished, warnings]).toEqual([true, []]);
  },
);
