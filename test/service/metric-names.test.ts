import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, inject, test } from "vitest";
import { root } from "../support/embedded.ts";
import { openShop } from "../support/shop.ts";

const { engine } = inject("engine");

/** Those that are told only under a condition that the service of this test does not meet. */
const conditional = [
  "commerce_tls_certificate_expiry_timestamp_seconds",
  "commerce_workers_configured",
  "commerce_workers_serving",
  "commerce_worker_restarts_total",
];

test("the metrics that the service tells are those of the documentation, named as Prometheus has it", async () => {
  await using shop = await openShop();
  const { id } = await shop.user();
  await shop.users.getUser({ id });

  const text = await (await fetch(`http://127.0.0.1:${shop.server.admin.port}/metrics`)).text();
  const told = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name: name!, type }));
  const own = told.filter(({ name }) => !/^(process|nodejs)_/.test(name));
  const misnamed = told.filter(({ name, type }) => name.endsWith("_total") !== (type === "counter"));
  const reserved = told.filter(({ name }) => /_(count|sum|bucket)$/.test(name));
  const document = await readFile(path.join(root, "docs/telemetry.md"), "utf8");
  const rows = [...document.matchAll(/^\| (`.*?`) \|/gm)].map(([, cell]) => cell!);
  const documented = rows.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name!));

  expect(own.map(({ name }) => name).toSorted()).toEqual(
    documented.filter((name) => !conditional.includes(name)).toSorted(),
  );
  expect([...misnamed, ...reserved]).toEqual([]);
  for (const { name } of own) expect(name).not.toMatch(/_(ms|milliseconds|minutes|kb|mb|mib)(_|$)/);
  expect(text).toMatch(
    new RegExp(
      `^commerce_build_info\\{version="[\\d.]+",node_version="v\\d.*",engine="${engine}"\\} 1$`,
      "m",
    ),
  );
  expect(text).toMatch(/^commerce_ready 1$/m);
  expect(text).toMatch(/^commerce_schema_version 8$/m);
});
