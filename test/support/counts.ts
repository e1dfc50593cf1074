import { type Listeners, readMetrics } from "./listeners.ts";

/** The calls that were counted, by method, protocol and code. */
export function countCalls(listeners: Listeners): Promise<Record<string, number>> {
  return count(
    listeners,
    /^rpc_server_call_duration_seconds_count\{rpc_method=".*\/(.*?)",\w+="(.*?)",\w+="(.*?)",.*\} (\d+)/,
  );
}

/** The refusals that were counted, by listener and reason. */
export function countRefused(listeners: Listeners): Promise<Record<string, number>> {
  return count(listeners, /^rpc_server_requests_refused_total\{listener="(.*?)",error_type="(.*?)"\} (\d+)/);
}

async function count(listeners: Listeners, sample: RegExp): Promise<Record<string, number>> {
  const metrics = await readMetrics(listeners);
  const samples = metrics.split("\n").flatMap((line) => {
    const [, ...parts] = sample.exec(line) ?? [];
    return parts.length > 0 ? [[parts.slice(0, -1).join(" "), Number(parts.at(-1))] as const] : [];
  });
  return Object.fromEntries(samples);
}
