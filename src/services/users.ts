import type { Call, Service } from "../call.ts";
import { deleteUser, updateUser } from "../db/users/change-users.ts";
import type { Database } from "../db/engine/database.ts";
import { mutate } from "../db/engine/mutate.ts";
import { createError, emailNotFound, invalid, notFound, userType, usersNotFound } from "../errors.ts";
import { deriveId, fingerprint } from "../db/ids.ts";
import type { Batchers } from "../db/batchers.ts";
import { expectOk } from "../db/outcome.ts";
import type { Sources } from "../db/sources.ts";
import * as db from "../db/users/users.ts";
import type { UpdateUserRequest, UserSchema, UserService } from "../gen/commerce/user/v1/user_service_pb.ts";
import type { Login, Logins } from "./logins.ts";
import { toPage, toPageSize, type Pages } from "./pages.ts";
import { parseVersion, toEtag } from "../db/etag.ts";
import { parseEmail, parseName, quotePath, toId, toTime, type WholeMessage } from "./parse.ts";
import type { Passwords } from "./passwords.ts";
import { toSource } from "./sources.ts";
import { keysOf } from "../lists.ts";

/** What the user service needs beside the database. */
export type UserParts = {
  readonly batchers: Batchers;
  readonly sources: Sources;
  readonly pages: Pages;
  readonly passwords: Passwords;
  readonly logins: Logins;
};

/** Implements the user service. */
export function userService(database: Database, parts: UserParts): Service<typeof UserService> {
  return { ...readingMethods(parts), ...changingMethods(database, parts), ...loginMethods(parts) };
}

type Methods<Names extends keyof Service<typeof UserService>> = Pick<Service<typeof UserService>, Names>;

function readingMethods({
  sources,
  pages,
}: UserParts): Methods<"getUser" | "getUserByEmail" | "batchGetUsers" | "listUsers"> {
  return {
    async getUser(request, call) {
      const id = toId(request.id);
      const user = await toSource(sources, request).getUser(id, call);
      if (!user) throw notFound(userType, id);
      return { user: toMessage(user) };
    },

    async getUserByEmail(request, call) {
      const email = parseEmail("email", request.email);
      const user = await toSource(sources, request).getUserByEmail(email, call);
      if (!user) throw emailNotFound(email);
      return { user: toMessage(user) };
    },

    async batchGetUsers(request, call) {
      const ids = request.ids.map(toId);
      const run = toSource(sources, request).run(call, ids.length);
      const found = await db.getUsers(run, [...new Set(ids)]);
      const users = new Map(found.map((user) => [user.id, user]));
      const missing = [...new Set(ids)].filter((id) => !users.has(id));
      if (missing.length > 0) throw usersNotFound(missing);
      return { users: ids.map((id) => toMessage(users.get(id)!)) };
    },

    async listUsers(request, call) {
      const scope = ["ListUsers"];
      const size = toPageSize(request.pageSize);
      const after = await pages.parse(request.pageToken, scope);
      const run = toSource(sources, request).run(call, size);
      const users = await db.listUsers(run, after, size + 1);
      const { entries, nextPageToken } = toPage(users, size, (last) => pages.toToken(last, scope));
      return { users: entries.map(toMessage), nextPageToken };
    },
  };
}

function changingMethods(
  database: Database,
  { batchers, passwords }: UserParts,
): Methods<"createUser" | "updateUser" | "deleteUser"> {
  return {
    async createUser(request, call) {
      const email = parseEmail("email", request.email);
      const name = parseName("name", request.name);
      const passwordHash = await hashPassword(request.password, call);
      const draft = {
        id: deriveId(call.principal, "CreateUser", request.requestId),
        changeId: deriveId(call.principal, "CreateUser", request.requestId, 1),
        fingerprint: fingerprint(email, name),
        refusalMs: call.refusalMs,
        email,
        name,
        passwordHash,
      };
      return { user: toMessage(expectOk(await batchers.createUser(draft, call))) };
    },

    async updateUser(request, call) {
      const { id, etag } = request.user!;
      const { email, name } = parseEdits(request);
      const userId = toId(id);
      const change = {
        changeId: deriveId(call.principal, "UpdateUser", request.requestId),
        fingerprint: fingerprint(userId, etag, email ?? null, name ?? null),
        refusalMs: call.refusalMs,
        userId,
        version: parseVersion("user.etag", etag),
        email,
        name,
      };
      const user = await mutate(database, call, updateUser, change);
      return { user: toMessage(user) };
    },

    async deleteUser(request, call) {
      const userId = toId(request.id);
      const change = {
        changeId: deriveId(call.principal, "DeleteUser", request.requestId),
        fingerprint: fingerprint(userId, request.etag, request.force),
        refusalMs: call.refusalMs,
        userId,
        version: parseVersion("etag", request.etag),
        force: request.force,
      };
      await mutate(database, call, deleteUser, change);
      return {};
    },
  };

  async function hashPassword(password: string, call: Call): Promise<string> {
    using place = passwords.queue(call);
    return await place.hash(password);
  }
}

function loginMethods({ batchers, passwords, logins }: UserParts): Methods<"authenticateUser"> {
  return {
    async authenticateUser(request, call) {
      const email = parseEmail("email", request.email);
      const [login, user] = await judge(email, request.password, call);
      if (!user) {
        await login.fail();
        throw createError("INVALID_CREDENTIALS", "the email or the password is wrong");
      }
      await login.succeed();
      return { user: toMessage(user) };
    },
  };

  /** Makes an attempt: returns the reservation to settle, and the user if email and password match. */
  async function judge(email: string, password: string, call: Call): Promise<[Login, db.User | undefined]> {
    using place = passwords.queue(call);
    const login = await logins.begin(email, call);
    const stored = await batchers.getUserByEmail(email, call);
    return [login, (await place.matches(password, stored?.passwordHash)) ? stored : undefined];
  }
}

function toMessage(user: db.User): WholeMessage<typeof UserSchema> {
  return {
    id: user.id,
    email: user.email,
    name: user.name,
    createTime: toTime(user.createTime),
    updateTime: toTime(user.updateTime),
    etag: toEtag(user.version),
  };
}

/** The parser of each field that can change. */
const parsers: { readonly [Field in keyof db.UserFields]: (field: string, text: string) => string } = {
  email: parseEmail,
  name: parseName,
};
const editable = keysOf(parsers);

/**
 * Returns the new values of the fields in the mask or, without a mask, of those that are not empty (AIP-134).
 */
function parseEdits({ user, updateMask }: UpdateUserRequest): Partial<db.UserFields> {
  const paths = updateMask?.paths ?? [];
  for (const path of paths)
    if (!["*", ...editable].includes(path)) {
      const known = `${editable.join(", ")} or *`;
      throw invalid("update_mask", `${quotePath(path)} is not a field that can change: ${known}`);
    }
  const chosen = editable.filter((field) =>
    paths.length === 0 ? user![field] !== "" : paths.includes(field) || paths.includes("*"),
  );
  if (chosen.length === 0) throw invalid("update_mask", "names nothing to change");
  return Object.fromEntries(chosen.map((field) => [field, parsers[field](`user.${field}`, user![field])]));
}
