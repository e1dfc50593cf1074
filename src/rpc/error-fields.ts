/**
 * What the log says of an error. Not all that an error object holds: a database error also carries the row
 * that it is about (`detail`, `where`), and that belongs to the user.
 */
export function toErrorFields(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  // Causes may go round in a circle; nothing useful lies deeper than three.
  const cause = error.cause === undefined || depth === 3 ? undefined : toErrorFields(error.cause, depth + 1);
  return { type: error.name, message: error.message, code, constraint, stack: error.stack, cause };
}
