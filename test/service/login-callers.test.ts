import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { execute } from "../support/databases.ts";
import { outcomes } from "../support/errors.ts";
import { openShop } from "../support/shop.ts";
import { audience, issuer, keys, sign } from "../support/tokens.ts";

test("a caller with too many failures waits for the minute's end, whatever the emails; others do not", async () => {
  await using cleanup = new AsyncDisposableStack();
  const directory = await mkdtemp(path.join(tmpdir(), "commerce-logins-"));
  cleanup.defer(() => rm(directory, { recursive: true }));
  const keyFile = path.join(directory, "issuer.pem");
  await writeFile(keyFile, keys.publicKey.export({ type: "spki", format: "pem" }));
  const auth = { issuer, audience, keys: { keyFile } };
  const shop = cleanup.use(await openShop({ auth, logins: { callerFailuresMax: 3 } }));
  const guess = async (caller: string, count: number): Promise<unknown[]> => {
    const token = await sign({ sub: caller, scope: "users.authenticate" });
    const users = createClient(UserService, createGrpcTransport({ baseUrl: shop.grpcUrl }));
    const headers = { authorization: `Bearer ${token}` };
    const reasons = [];
    for (let n = 0; n < count; n++) {
      const request = { email: `${caller}-${n}-${reasons.length}@example.com`, password: "wrong horse" };
      const [failed] = await outcomes([users.authenticateUser(request, { headers })]);
      reasons.push(failed?.reason);
    }
    return reasons;
  };

  const eve = await guess("eve", 5);
  const ada = await guess("ada", 1);
  await execute(
    shop.connection,
    `update login_attempts set retry_time = retry_time - interval '60 seconds',
      expire_time = expire_time - interval '60 seconds'`,
  );
  const later = await guess("eve", 1);

  const wrong = "INVALID_CREDENTIALS";
  expect(eve).toEqual([wrong, wrong, wrong, "TOO_MANY_ATTEMPTS", "TOO_MANY_ATTEMPTS"]);
  expect(ada).toEqual([wrong]);
  expect(later).toEqual([wrong]);
});
