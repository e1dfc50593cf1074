import { randomUUID } from "node:crypto";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { drafts, type Draft } from "../support/imports.ts";
import { openShop } from "../support/shop.ts";

const root = join(import.meta.dirname, "../..");

type Snippet = {
  readonly importAll: (orders: readonly Draft[], requestId: string) => Promise<Map<bigint, string>>;
};

/** Runs the code of docs/clients.md against a service. */
async function loadSnippet(directory: string, httpUrl: string): Promise<Snippet> {
  const text = await readFile(join(root, "docs/clients.md"), "utf8");
  const [, code] = /```ts\n([\s\S]*?)```/.exec(text)!;
  const linked = stripTypeScriptTypes(code!)
    .replaceAll("http://127.0.0.1:8080", httpUrl)
    .replaceAll(/from "\.\/(gen\/.*?)\.js"/g, (_, path: string) => `from "${toUrl(`src/${path}.ts`)}"`)
    .replaceAll(/from "(@.*?)"/g, (_, name: string) => `from "${import.meta.resolve(name)}"`);
  const file = join(directory, "snippet.mjs");
  await writeFile(file, linked);
  return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Snippet;
}

const toUrl = (path: string): string => pathToFileURL(join(root, path)).href;

test("a JSON client that is made as docs/clients.md says reads why rows were refused", async () => {
  await using shop = await openShop();
  await using directory = await mkdtempDisposable(join(tmpdir(), "clients-"));
  const { importAll } = await loadSnippet(directory.path, shop.httpUrl);
  const [ada, lamp] = [await shop.user(), await shop.product()];
  const orders = [...drafts(ada.id, lamp, 1), ...drafts(randomUUID(), lamp, 1)];

  const reasons = await importAll(orders, randomUUID());

  expect(reasons).toEqual(new Map([[1n, "USER_NOT_FOUND"]]));
});
