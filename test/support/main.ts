import { expect } from "vitest";
import type { Connection } from "../../src/config.ts";
import { type Program, run, runToEnd } from "./processes.ts";

const free = { GRPC_ADDR: "127.0.0.1:0", HTTP_ADDR: "127.0.0.1:0", ADMIN_ADDR: "127.0.0.1:0" };
const anywhere = { ...free, WELCOME: "true" };

/**
 * Starts the service as `npm start` does, on free ports if the environment says nothing else. Its processes
 * run the preload first, if there is one.
 */
export function startMain(env: NodeJS.ProcessEnv, preload?: string): Program {
  const options = preload === undefined ? [] : ["--import", toModule(preload)];
  return run(process.execPath, [...options, "src/main.ts"], { ...anywhere, ...env });
}

function toModule(program: string): string {
  return `data:text/javascript,${encodeURIComponent(program)}`;
}

/** Starts npm, which starts the service. */
export function startByNpm(env: NodeJS.ProcessEnv): Program {
  return run("npm", ["start"], { ...anywhere, ...env });
}

/** Starts the service, which is to end with 1 after one line on standard error; answers what it says. */
export async function refusalOf(env: NodeJS.ProcessEnv): Promise<string> {
  const { code, stdout, stderr } = await runToEnd(process.execPath, ["src/main.ts"], { ...free, ...env });
  expect([code, stdout, stderr]).toEqual([1, "", expect.stringMatching(/^commerce-core failed: .+\n$/)]);
  return stderr.slice("commerce-core failed: ".length, -1);
}

/** A connection without TLS as a value of DATABASE_URL. */
export function toUrl({ host, port, user, password = "", database }: Connection): string {
  return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
}
