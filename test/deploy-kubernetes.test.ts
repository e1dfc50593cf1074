import { globSync } from "node:fs";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { PodSpec } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../src/config.ts";
import { createAuthority } from "./support/certificates.ts";
import { root } from "./support/embedded.ts";
import {
  build,
  checkTypes,
  environmentOf,
  findKustomize,
  only,
  readResources,
  type Resource,
} from "./support/kubernetes.ts";

const overlays = ["postgresql", "cockroachdb", "mesh"];
const files = globSync("kubernetes/{base,migrate,components/*}/*.yaml", { cwd: path.join(root, "deploy") });
const manifests = files.filter((file) => !file.endsWith("kustomization.yaml")).toSorted();
const kustomize = await findKustomize();
const sizes = { Mi: 1, Gi: 1024 };

/** Bytes of memory, in MiB. */
function toMiB(quantity: unknown): number {
  const [, number, unit] = /^(\d+)(Mi|Gi)$/.exec(String(quantity))!;
  return Number(number) * sizes[unit as keyof typeof sizes];
}

/** The resources of an overlay's part; skips the test where there is no kustomize. */
async function buildOverlay(
  overlay: string,
  part: "service" | "migrate",
  skip: (condition: boolean, note: string) => void,
): Promise<Resource[]> {
  skip(!kustomize, "neither kustomize nor kubectl is installed");
  return build(kustomize!, `kubernetes/overlays/${overlay}/${part}`);
}

const podsOf = (resources: readonly Resource[]): PodSpec =>
  only(resources, "apps/v1 Deployment").spec!.template.spec!;
const jobOf = (resources: readonly Resource[]): PodSpec =>
  only(resources, "batch/v1 Job").spec!.template.spec!;

/** Reads an environment with the files that a pod has mounted below /etc/commerce-core. */
async function parseMounted(environment: Record<string, string>) {
  await using mounted = await mkdtempDisposable(path.join(tmpdir(), "commerce-mounted-"));
  const url = `postgresql://app:secret@db:5432/commerce?sslrootcert=${mounted.path}/ca.crt`;
  await writeFile(path.join(mounted.path, "url"), url);
  await writeFile(path.join(mounted.path, "password"), "secret");
  await writeFile(path.join(mounted.path, "ca.crt"), createAuthority().cert);
  const here = (value: string) => value.replace(/^\/etc\/commerce-core\/\w+\//, `${mounted.path}/`);
  return parseConfig(Object.fromEntries(Object.entries(environment).map(([k, v]) => [k, here(v)])));
}

/** The restricted standard of pod security, and what it leaves open: the file system and the token. */
const restricted = {
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  securityContext: { runAsNonRoot: true, runAsUser: 65_534, seccompProfile: { type: "RuntimeDefault" } },
  containers: [
    {
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      },
    },
  ],
};

test("the manifests are what the API of Kubernetes describes", async () => {
  const resources = (await Promise.all(manifests.map(readResources))).flat();

  expect(resources.length).toBeGreaterThan(10);
  expect(await checkTypes(resources)).toBe("");
});

test("pods are such as the restricted security standard wants, without a token, and read files only", async () => {
  expect(podsOf(await readResources("kubernetes/base/deployment.yaml"))).toMatchObject(restricted);
  expect(jobOf(await readResources("kubernetes/migrate/job.yaml"))).toMatchObject(restricted);
});

test("a field that the API does not have is found", async () => {
  const [deployment] = await readResources("kubernetes/base/deployment.yaml");
  const text = JSON.stringify(deployment).replace('"timeoutSeconds"', '"timeoutSecond"');

  expect(await checkTypes([JSON.parse(text) as Resource])).toContain("'\"timeoutSecond\"' does not exist");
});

test("what kustomize builds is what the API describes, too", async ({ skip }) => {
  const parts = overlays.flatMap((overlay) => [
    buildOverlay(overlay, "service", skip),
    buildOverlay(overlay, "migrate", skip),
  ]);

  expect(await checkTypes((await Promise.all(parts)).flat())).toBe("");
});

describe.each(overlays)("overlay %s", (overlay) => {
  test("the service and the migrations take their configuration", async ({ skip }) => {
    const service = await buildOverlay(overlay, "service", skip);
    const migrate = await buildOverlay(overlay, "migrate", skip);

    const config = await parseMounted(environmentOf(service, podsOf(service)));
    const migrating = await parseMounted(environmentOf(migrate, jobOf(migrate)));

    expect(config).toMatchObject({
      start: { migrations: "check" },
      grpcAddr: { host: "0.0.0.0", port: 50051 },
    });
    expect([config.tls !== undefined, config.auth !== undefined]).toEqual(
      overlay === "mesh" ? [false, false] : [true, true],
    );
    const engine = overlay === "cockroachdb" ? "cockroachdb" : "postgresql";
    expect(config.database).toMatchObject({ kind: "remote", engine });
    expect(migrating.database).toMatchObject({ kind: "remote", engine });
  });

  test("a pod has the time to drain, and the memory of its workers", async ({ skip }) => {
    const service = await buildOverlay(overlay, "service", skip);
    const pods = podsOf(service);

    const { shutdown, workers } = await parseMounted(environmentOf(service, pods));

    const stopMs = shutdown.drainMs + shutdown.graceMs + 10_000;
    expect(pods.terminationGracePeriodSeconds! * 1000).toBeGreaterThan(stopMs);
    const { requests, limits } = pods.containers[0]!.resources!;
    expect(toMiB(requests!["memory"])).toBeGreaterThanOrEqual(workers * 250);
    expect(toMiB(limits!["memory"])).toBeGreaterThanOrEqual(workers * 512 + (workers > 1 ? 150 : 0));
    expect(Number(requests!["cpu"])).toBe(workers);
  });

  test("the pods keep to the restricted security standard", async ({ skip }) => {
    const service = await buildOverlay(overlay, "service", skip);
    const migrate = await buildOverlay(overlay, "migrate", skip);

    expect([podsOf(service), jobOf(migrate)]).toMatchObject([restricted, restricted]);
  });

  test("probes, services and policies name ports that the container has", async ({ skip }) => {
    const service = await buildOverlay(overlay, "service", skip);
    const [container] = podsOf(service).containers;

    const names = container!.ports!.map(({ name }) => name);
    const text = JSON.stringify(service);
    const named = [...text.matchAll(/"(?:port|targetPort)":"(\w+)"/g)].map(([, name]) => name);
    const numbers = [...text.matchAll(/"grpc":\{"port":(\d+)/g)].map(([, port]) => Number(port));

    expect(new Set(named)).toEqual(new Set(names));
    expect(new Set(numbers)).toEqual(new Set(overlay === "mesh" ? [50_051] : []));
  });
});

test("without TLS, tokens and a mesh a start is refused", async ({ skip }) => {
  const service = await buildOverlay("postgresql", "service", skip);
  const { TLS_CERT_FILE: _cert, TLS_KEY_FILE: _key, ...others } = environmentOf(service, podsOf(service));

  await expect(parseMounted(others)).rejects.toThrow(/TLS/);
});
