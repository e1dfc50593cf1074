/** A named SQL text: prepared once on each connection under its name. */
export type Statement<Row> = {
  readonly name: string;
  readonly text: string;
  /** It changes nothing: an attempt that is lost has simply not happened. */
  readonly readsOnly: boolean;
  /**
   * What PostgreSQL runs it under instead of "serializable", where transactions also conflict by pages of an
   * index. It takes two more round trips. The statement says why it is as good.
   */
  readonly isolation?: "repeatable read" | undefined;
  /** Only a type: what a row of the result is. */
  readonly row?: Row;
};

const registry = new Map<string, Statement<unknown>>();

/**
 * Declares a statement. All statements of the service are declared when its modules load, so that the plan
 * gate can list them. Each must be safe to run again after an outcome that nobody knows: a read, or a write
 * whose keys are derived from the call.
 */
export function statement<Row>(
  name: string,
  text: string,
  { isolation }: Pick<Statement<Row>, "isolation"> = {},
): Statement<Row> {
  if (registry.has(name)) throw new Error(`two statements are named ${name}`);
  const declared = { name, text, readsOnly: /^\s*select\b/.test(text), isolation };
  registry.set(name, declared);
  return declared;
}

/** All statements that have been declared, in the order of their declaration. */
export function allStatements(): readonly Statement<unknown>[] {
  return [...registry.values()];
}
