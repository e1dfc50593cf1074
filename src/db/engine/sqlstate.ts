/** SQLSTATEs of the server that the service names. `judge` says what all of them mean. */
export const sqlstate = {
  queryCanceled: "57014",
  serializationFailure: "40001",
  diskFull: "53100",
  /** A server that takes no writes: a standby, or a primary that has become one. */
  readOnly: "25006",
  undefinedTable: "42P01",
  duplicateTable: "42P07",
  duplicateObject: "42710",
  uniqueViolation: "23505",
} as const;
