/** A mistake that a person could make in a line, and the tests that must see it. */
export type Mutation = {
  /** The file that it is made in, relative to the root of the project. */
  readonly file: string;
  /** What the mistake does, in words. */
  readonly what: string;
  /** The text that it replaces, which occurs exactly once in the file. */
  readonly from: string;
  readonly to: string;
  /** The tests that must see it: files, or "file -t title". */
  readonly tests: readonly string[];
};
