import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasChromium, openBrowser } from "../support/chromium.ts";
import { root } from "../support/embedded.ts";
import { installPacked, type Installed } from "../support/packed.ts";
import { runToEnd } from "../support/processes.ts";
import { openSeverable } from "../support/severed.ts";
import { openShop } from "../support/shop.ts";

let project: Installed;
beforeAll(async () => {
  project = await installPacked();
});
afterAll(() => project[Symbol.asyncDispose]());

/** A first order, and one that is refused: what each way of calling must do. */
const story = `
export async function play(client) {
  const ada = { email: "ada@example.com", name: "Ada", password: "correct horse" };
  const { user } = await client.users.createUser(ada);
  const { product } = await client.inventory.createProduct({ name: "Lamp", onHand: 2n });
  const unitPrice = { currencyCode: "EUR", units: 9n, nanos: 990_000_000 };
  const order = (quantity) => ({ userId: user.id, items: [{ productId: product.id, quantity, unitPrice }] });
  await client.orders.createOrder(order(1));
  const reasons = [];
  await client.orders.createOrder(order(9)).catch((error) => {
    if (error instanceof CommerceError) reasons.push(error.reason, error.facts.productId === product.id);
  });
  const orders = [order(1), { ...order(1), userId: crypto.randomUUID() }];
  for await (const { chunk } of client.orders.importOrders({ orders }))
    for (const row of chunk.refused) reasons.push(refusalOf(row).reason);
  const totals = [];
  for await (const { total } of client.orders.list({ userId: user.id })) totals.push(total.units.toString());
  return { reasons, totals };
}
`;
const played = { reasons: ["INSUFFICIENT_STOCK", true, "USER_NOT_FOUND"], totals: ["9", "9"] };

test("the package holds what is built, its types, and nothing else", () => {
  const others = project.files.filter((file) => !/^dist\/.*\.(js|d\.ts)$/.test(file));

  expect(others.toSorted()).toEqual(["LICENSE", "README.md", "package.json"]);
});

test.each([
  ["grpc", "gRPC"],
  ["connect-node", "Connect"],
])("a project that has installed it calls by commerce-core-client/%s", async (entry) => {
  await using shop = await openShop();
  const baseUrl = entry === "grpc" ? shop.grpcUrl : shop.httpUrl;
  const file = await project.write(
    `${entry}.js`,
    `import { CommerceError, createCommerceClient, refusalOf } from "commerce-core-client/${entry}";
    ${story}
    const client = createCommerceClient({ baseUrl: "${baseUrl}" });
    console.log(JSON.stringify(await play(client)));
    client.close();`,
  );

  const { code, stdout, stderr } = await runToEnd(process.execPath, [file]);

  expect([code, stderr]).toEqual([0, ""]);
  expect(JSON.parse(stdout)).toEqual(played);
});

test("the example in TypeScript comes out as told", async () => {
  await using shop = await openShop();
  const example = await readFile(path.join(root, "examples/typescript/main.ts"), "utf8");
  const file = await project.write("example.ts", example);

  const { code, stdout, stderr } = await runToEnd(process.execPath, [file, new URL(shop.grpcUrl).host]);

  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout.match(/^\w+/gm)).toEqual([
    "user",
    "product",
    "order",
    "stock",
    "etag",
    "product",
    "import",
    "import",
    "pages",
  ]);
});

test("its types tell right programs from wrong ones", async () => {
  const file = await project.write(
    "program.ts",
    `import { CommerceError, createCommerceClient, OrderStatus } from "commerce-core-client/grpc";
    import { createCommerceClient as createInBrowser } from "commerce-core-client/connect-web";
    import { OrderSchema } from "commerce-core-client/gen/commerce/order/v1/order_service_pb.js";
    createInBrowser({ baseUrl: "/" });
    using client = createCommerceClient({ baseUrl: "http://127.0.0.1:1", retry: false });
    export const name: string = OrderSchema.typeName;
    for await (const { id } of client.orders.list({ status: OrderStatus.PENDING })) {
      const wrong: number = id;
    }
    client.orders.getOrder({ id: "1" }).catch((error: unknown) => {
      if (!(error instanceof CommerceError) || error.reason !== "INSUFFICIENT_STOCK") return;
      const right: string = error.facts.productId;
      error.facts.lastIndex;
    });`,
  );

  expect(await findErrors([file])).toEqual([
    "program.ts(8,13): error TS2322",
    "program.ts(13,19): error TS2339",
  ]);
});

test("the code of its README is right, and its first call places an order", async () => {
  await using shop = await openShop();
  const text = await readFile(path.join(root, "client/README.md"), "utf8");
  const blocks = Array.from(text.matchAll(/```ts\n(.*?)```/gs), ([, code]) => code!);
  const files = await Promise.all(
    blocks.map((code, n) =>
      project.write(`readme-${n}.ts`, code.replace("http://127.0.0.1:50051", shop.grpcUrl)),
    ),
  );

  expect(files.length).toBeGreaterThan(5);
  expect(await findErrors(files)).toEqual([]);
  const { code, stdout, stderr } = await runToEnd(process.execPath, [files[0]!]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("units: 29n");
});

/** What the compiler finds in programs of the project: where, and the errors' numbers. */
async function findErrors(files: readonly string[]): Promise<string[]> {
  const compilerOptions = {
    noEmit: true,
    strict: true,
    module: "nodenext",
    lib: ["es2024", "esnext.disposable", "dom", "dom.iterable"],
    types: ["node"],
    typeRoots: [path.join(root, "node_modules/@types")],
  };
  const config = await project.write("tsconfig.json", JSON.stringify({ compilerOptions, files }));
  const compiler = path.join(root, "node_modules/typescript/bin/tsc");
  const { stdout } = await runToEnd(process.execPath, [compiler, "--pretty", "false", "-p", config]);
  const found = stdout.split("\n").filter((line) => /^\S/.test(line));
  return found.map((line) => /[\w-]+\.ts\(.*?TS\d+/.exec(line)?.[0] ?? line);
}

/** The page's program as a bundler makes it, and a server of the page on an origin of its own. */
async function servePage(): Promise<AsyncDisposable & { readonly origin: string; readonly code: string }> {
  const input = await project.write(
    "page.js",
    `import { CommerceError, createCommerceClient, refusalOf } from "commerce-core-client/connect-web";
    ${story}
    globalThis.open = (options) => (globalThis.client = createCommerceClient(options));
    globalThis.play = play;`,
  );
  const bundle = await rolldown({ input, platform: "browser", cwd: project.directory });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  await bundle.close();
  const { code } = output[0];
  const page = createServer((request, response) => {
    const isProgram = request.url === "/page.js";
    response.setHeader("content-type", isProgram ? "text/javascript" : "text/html");
    response.end(isProgram ? code : '<script type="module" src="/page.js"></script>');
  });
  page.listen(0, "127.0.0.1");
  await once(page, "listening");
  return {
    origin: `http://127.0.0.1:${(page.address() as AddressInfo).port}`,
    code,
    async [Symbol.asyncDispose]() {
      page.closeAllConnections();
      page.close();
      await once(page, "close");
    },
  };
}

test.skipIf(!hasChromium)(
  "in Chromium a page of another origin calls, and repeats what it has lost",
  async () => {
    await using served = await servePage();
    await using shop = await openShop({ corsOrigins: [served.origin] });
    await using network = await openSeverable(shop.server.http.port);
    await using browser = await openBrowser();
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));

    await page.goto(served.origin);
    await page.evaluate(`open({ baseUrl: "${network.url}" })`);
    const result: unknown = await page.evaluate("play(client)");
    expect([result, problems]).toEqual([played, []]);

    await page.evaluate("client.users.listUsers({}).then(() => {})");
    network.hold();
    const creating = page.evaluate(
      'client.inventory.createProduct({ name: "Desk", onHand: 1n }).then(({ product }) => product.id)',
    );
    const list = async () => (await shop.inventory.listProducts({})).products.map(({ id }) => id);
    await expect.poll(async () => (await list()).length).toBe(2);
    network.cut();
    const id: unknown = await creating;
    const [newest, ...others] = await list();
    expect([newest, others.length]).toEqual([id, 1]);
  },
);

test("the page's program asks for nothing of Node", async () => {
  await using served = await servePage();

  expect(served.code).not.toMatch(/\bnode:|\brequire\(/);
});
