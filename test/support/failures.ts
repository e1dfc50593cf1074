/** An error as node-postgres gives one that the server sent. */
export function serverError(code: string, constraint?: string): Error {
  return Object.assign(new Error("from the server"), { code, severity: "ERROR", constraint });
}

/** An error of the connection. */
export function wireError(code?: string): Error {
  return Object.assign(new Error("from the socket"), code !== undefined && { code });
}
