// What carries a call and nothing else, whose processor time no service on it can go below: a GetUser that
// always answers the same bytes, from @grpc/grpc-js or from Node's own http2.
import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { type sendUnaryData, Server, ServerCredentials } from "@grpc/grpc-js";
import { toFrame } from "./client.ts";
import { GetUserResponseSchema, UserService } from "./service/contract.ts";

// As large as the users of the bench's tables.
const [createTime, updateTime] = [timestampNow(), timestampNow()];
const user = { email: "user-00001@example.com", name: "User 1", etag: '"1"', createTime, updateTime };
const id = "00000000-0000-4000-8000-000000000001";
const answer = Buffer.from(
  toBinary(GetUserResponseSchema, create(GetUserResponseSchema, { user: { id, ...user } })),
);

const port = process.argv[2] === "http2" ? await serveByHttp2() : await serveByGrpcJs();
process.stdout.write(`ready\n  gRPC  127.0.0.1:${port}\n`);
process.once("SIGTERM", () => process.exit(0));

async function serveByHttp2(): Promise<number> {
  const server = http2.createServer();
  const frame = toFrame(answer);
  server.on("stream", (stream) => {
    stream.on("data", () => {});
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.on("end", () => {
      stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.end(frame);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function serveByGrpcJs(): Promise<number> {
  const server = new Server();
  const same = (bytes: Buffer): Buffer => bytes;
  const definition = {
    path: `/${UserService.typeName}/${UserService.method.getUser.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const getUser = (_: unknown, respond: sendUnaryData<Buffer>): void => respond(null, answer);
  server.addService({ getUser: definition }, { getUser });
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
}
