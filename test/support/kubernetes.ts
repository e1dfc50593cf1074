import { execFile } from "node:child_process";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import type { Job } from "kubernetes-types/batch/v1.js";
import type { ConfigMap, PodSpec, Service, ServiceAccount } from "kubernetes-types/core/v1.js";
import type { ObjectMeta } from "kubernetes-types/meta/v1.js";
import type { NetworkPolicy } from "kubernetes-types/networking/v1.js";
import type { PodDisruptionBudget } from "kubernetes-types/policy/v1.js";
import { parseAllDocuments } from "yaml";
import { root } from "./embedded.ts";

/** The resources that deploy/ may contain, as the API of Kubernetes describes them. */
export type Resources = {
  readonly "apps/v1 Deployment": Deployment;
  readonly "autoscaling/v2 HorizontalPodAutoscaler": HorizontalPodAutoscaler;
  readonly "batch/v1 Job": Job;
  readonly "monitoring.coreos.com/v1 PodMonitor": PodMonitor;
  readonly "networking.k8s.io/v1 NetworkPolicy": NetworkPolicy;
  readonly "policy/v1 PodDisruptionBudget": PodDisruptionBudget;
  readonly "v1 ConfigMap": ConfigMap;
  readonly "v1 Service": Service;
  readonly "v1 ServiceAccount": ServiceAccount;
};

/** The part of the Prometheus Operator's PodMonitor that is used. */
type PodMonitor = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly jobLabel: string;
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly podMetricsEndpoints: readonly {
      readonly port: string;
      readonly path: string;
      readonly interval: string;
    }[];
  };
};

/** A document of any kind. */
export type Resource = { readonly apiVersion: string; readonly kind: string; readonly metadata: ObjectMeta };

const execute = promisify(execFile);

/** Parses the documents of a YAML text; throws if it is not well-formed or has a key twice. */
export function parseResources(text: string): Resource[] {
  return [...parseAllDocuments(text, { merge: true })].map((document) => {
    const [error] = [...document.errors, ...document.warnings];
    if (error) throw error;
    return document.toJS() as Resource;
  });
}

/** The documents of a file below deploy/. */
export async function readResources(file: string): Promise<Resource[]> {
  return parseResources(await readFile(path.join(root, "deploy", file), "utf8"));
}

/** The resource of a kind, of which there must be one. */
export function only<K extends keyof Resources>(resources: readonly Resource[], kind: K): Resources[K] {
  const [found, ...others] = resources.filter((each) => `${each.apiVersion} ${each.kind}` === kind);
  if (!found || others.length > 0) throw new Error(`not one ${kind}`);
  return found as Resources[K];
}

/** What kustomize is called here, if it is: alone, or as a part of kubectl. */
export async function findKustomize(): Promise<readonly [string, ...string[]] | undefined> {
  for (const command of [
    ["kustomize", "build"],
    ["kubectl", "kustomize"],
  ] as const) {
    const isThere = await execute(command[0], [...command.slice(1), "--help"]).then(
      () => true,
      () => false,
    );
    if (isThere) return command;
  }
  return undefined;
}

/** The resources of a directory below deploy/, as kustomize builds them. */
export async function build(
  kustomize: readonly [string, ...string[]],
  directory: string,
): Promise<Resource[]> {
  const [program, ...args] = kustomize;
  const { stdout } = await execute(program, [...args, path.join(root, "deploy", directory)]);
  return parseResources(stdout);
}

/**
 * Compares resources with the types of the API. Returns what the compiler says of fields that do not exist,
 * are missing, or are of another type; "" if nothing is wrong.
 */
export async function checkTypes(resources: readonly Resource[]): Promise<string> {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-kubernetes-"));
  const file = path.join(directory.path, "resources.mts");
  const lines = resources.map((resource, index) => {
    const type = `Resources[${JSON.stringify(`${resource.apiVersion} ${resource.kind}`)}]`;
    return `export const resource${index}: ${type} = ${JSON.stringify(resource, undefined, 2)};`;
  });
  const types = JSON.stringify(path.join(root, "test/support/kubernetes.ts"));
  await writeFile(file, [`import type { Resources } from ${types};`, ...lines].join("\n"));
  const config = {
    extends: path.join(root, "tsconfig.json"),
    compilerOptions: { typeRoots: [path.join(root, "node_modules/@types")] },
    files: ["resources.mts"],
    include: [],
  };
  await writeFile(path.join(directory.path, "tsconfig.json"), JSON.stringify(config));
  return await execute(path.join(root, "node_modules/.bin/tsc"), ["-p", directory.path]).then(
    () => "",
    ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
  );
}

/** The environment of the container of a workload, with what its ConfigMap has. */
export function environmentOf(resources: readonly Resource[], spec: PodSpec): Record<string, string> {
  const { data = {} } = only(resources, "v1 ConfigMap");
  const env = spec.containers[0]!.env ?? [];
  return { ...data, ...Object.fromEntries(env.map(({ name, value = "" }) => [name, value])) };
}
