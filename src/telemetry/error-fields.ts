/**
 * The fields of an error for the log. Only selected ones: a database error also carries the row that it is
 * about (`detail`, `where`), which is user data.
 */
export function toErrorFields(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = "code" in error ? error.code : undefined;
  const constraint = "constraint" in error ? error.constraint : undefined;
  // Causes may be circular; nothing useful lies deeper than three.
  const cause = error.cause === undefined || depth === 3 ? undefined : toErrorFields(error.cause, depth + 1);
  // For a value that the database rejects (class 22) its message quotes the value.
  const isQuoting = typeof code === "string" && code.startsWith("22");
  const message = isQuoting ? "a value that the database cannot take" : error.message;
  const stack = isQuoting ? error.stack?.replace(error.message, message) : error.stack;
  return { type: error.name, message, code, constraint, stack, cause };
}
