// GetUser by the service's own function, answered from memory: what a call costs without a database.
import { createSecretKey } from "node:crypto";
import { bindPart, readConfig, serve } from "./contestant.ts";
import { UserService } from "./service/contract.ts";
import { createDatabase, listUsers, type User, within } from "./service/database.ts";
import { type Batchers, createPages, createPasswords, userService } from "./service/server.ts";

const config = readConfig();
const db = createDatabase(config.database.connection, "postgresql", config.pool);
const deadline = { signal: AbortSignal.timeout(60_000), deadlineMs: Date.now() + 60_000 };
const users = new Map<string, User>();
for (let after = { createTime: 253402300799000000n, id: "ffffffff-ffff-ffff-ffff-ffffffffffff" }; ;) {
  const page = await listUsers(within(db, deadline), after, 1_000);
  for (const user of page) users.set(user.id, user);
  const last = page.at(-1);
  if (last === undefined) break;
  after = { createTime: last.createTime, id: last.id };
}
const batchers = { getUser: async (id: string) => users.get(id) } as unknown as Batchers;
const logins = { begin: () => Promise.reject(new Error("there are no logins here")) };
const pageKey = { period: 0, key: createSecretKey(Buffer.alloc(32)) };
const pageKeys = { current: () => pageKey, find: async () => pageKey.key };
const sources = { strong: batchers, stale: batchers };
const parts = { batchers, sources, pages: createPages(pageKeys), passwords: createPasswords(), logins };
const { getUser } = userService(db, parts);
await serve(config, [bindPart(UserService, { getUser })]);
