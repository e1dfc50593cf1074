/**
 * What the log says of an error. Not all that an error object holds: a database error also carries the row
 * that it is about (`detail`, `where`), and that belongs to the user.
 */
export function toErrorFields(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = "code" in error ? error.code : undefined;
  const constraint = "constraint" in error ? error.constraint : undefined;
  // Causes may go round in a circle; nothing useful lies deeper than three.
  const cause = error.cause === undefined || depth === 3 ? undefined : toErrorFields(error.cause, depth + 1);
  // Of a value that it cannot take (class 22), the database's message quotes it.
  const isQuoting = typeof code === "string" && code.startsWith("22");
  const message = isQuoting ? "a value that the database cannot take" : error.message;
  const stack = isQuoting ? error.stack?.replace(error.message, message) : error.stack;
  return { type: error.name, message, code, constraint, stack, cause };
}
