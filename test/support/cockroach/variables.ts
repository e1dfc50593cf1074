/** How a session variable that CockroachDB has is known to the PostgreSQL behind it. */
type Backing =
  /** By the same name, with the same meaning. */
  | "same"
  /** Not at all: it is kept there under a prefix, so that it can be set and shown. */
  | "own";

/** A refusal in the words of CockroachDB. */
export type Refusal = { readonly code: string; readonly message: string };

/**
 * The session variables that are known here, with their defaults where PostgreSQL has none:
 * https://www.cockroachlabs.com/docs/stable/session-variables.
 */
const variables: ReadonlyMap<string, readonly [Backing, byDefault?: string]> = new Map([
  ["application_name", ["same"]],
  ["client_encoding", ["same"]],
  ["client_min_messages", ["same"]],
  ["database", ["own", ""]],
  ["datestyle", ["same"]],
  ["default_transaction_isolation", ["same"]],
  ["default_transaction_read_only", ["same"]],
  ["extra_float_digits", ["same"]],
  ["idle_in_transaction_session_timeout", ["same"]],
  ["intervalstyle", ["same"]],
  ["lock_timeout", ["same"]],
  ["search_path", ["same"]],
  ["server_encoding", ["same"]],
  ["server_version", ["same"]],
  ["standard_conforming_strings", ["same"]],
  ["statement_timeout", ["same"]],
  ["timezone", ["same"]],
  ["transaction_isolation", ["same"]],
  ["transaction_read_only", ["same"]],
  ["transaction_timeout", ["same"]],
  ["autocommit_before_ddl", ["own", "on"]],
  ["default_transaction_use_follower_reads", ["own", "off"]],
  ["disallow_full_table_scans", ["own", "off"]],
  ["enable_durable_locking_for_serializable", ["own", "off"]],
  ["enable_multiple_modifications_of_table", ["own", "off"]],
  ["large_full_scan_rows", ["own", "0"]],
  // Taken, and without a meaning.
  ["enable_seqscan", ["own", "on"]],
  // PostgreSQL has it, too, and would plan each statement anew, which says nothing of CockroachDB.
  ["plan_cache_mode", ["own", "auto"]],
]);

/** Variables of PostgreSQL that CockroachDB knows by name and refuses. */
const unsupported = new Set(
  `array_nulls backend_flush_after constraint_exclusion cpu_index_tuple_cost cpu_operator_cost
  cpu_tuple_cost deadlock_timeout debug_print_plan default_statistics_target effective_cache_size
  enable_bitmapscan enable_gathermerge enable_hashagg enable_hashjoin enable_indexonlyscan enable_indexscan
  enable_material enable_mergejoin enable_nestloop enable_sort enable_tidscan from_collapse_limit geqo
  join_collapse_limit log_min_messages log_statement maintenance_work_mem max_parallel_workers
  password_encryption random_page_cost role seq_page_cost session_replication_role temp_buffers track_counts
  vacuum_cost_delay wal_compression work_mem`.split(/\s+/),
);

const prefix = "crdb.";

/** The name of a variable in the PostgreSQL behind; a refusal for one that CockroachDB does not take. */
export function toUpstreamName(name: string): string | Refusal {
  const known = variables.get(name.toLowerCase());
  if (known) return known[0] === "own" ? prefix + name.toLowerCase() : name;
  // Options that an application has made up.
  if (name.includes(".")) return name;
  return unsupported.has(name.toLowerCase())
    ? { code: "0A000", message: `the configuration setting "${name}" is not supported` }
    : { code: "42704", message: `unrecognized configuration parameter "${name}"` };
}

/** The default of each variable that PostgreSQL does not have. */
export function defaults(): [name: string, value: string][] {
  return Array.from(variables).flatMap(([name, [backing, value]]) =>
    backing === "own" ? [[name, value ?? ""]] : [],
  );
}

/** Settings in what libpq calls options: `-c name=value --name=value`, where a backslash escapes a space. */
export function readOptions(options: string): [name: string, value: string][] {
  const words = Array.from(options.matchAll(/(?:\\.|\S)+/g), ([word]) => word.replaceAll(/\\(.)/g, "$1"));
  const settings = words.flatMap((word, n) => {
    if (word === "-c") return [];
    return words[n - 1] === "-c" ? [word] : [word.replace(/^(-c|--)/, "")];
  });
  return settings.map((setting) => {
    const [name = "", ...value] = setting.split("=");
    return [name.toLowerCase(), value.join("=")];
  });
}

/** The options that say so to PostgreSQL. */
export function writeOptions(settings: Iterable<readonly [name: string, value: string]>): string {
  return Array.from(settings, ([name, value]) => `-c ${name}=${value.replaceAll(/[\\\s]/g, "\\$&")}`).join(
    " ",
  );
}
