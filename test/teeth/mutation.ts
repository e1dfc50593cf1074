/** A small mistake, such as a person makes, and the tests that see it. Paths are relative to the root. */
export type Mutation = {
  /** The file in which it is made. */
  readonly file: string;
  /** What the mistake does. */
  readonly what: string;
  /** The text that it changes, which occurs exactly once in the file. */
  readonly from: string;
  /** What it becomes. */
  readonly to: string;
  /** Test files that must see it. */
  readonly tests: readonly string[];
};
