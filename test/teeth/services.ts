import type { Mutation } from "./mutation.ts";

/** Mistakes in src/services. */
export const services: readonly Mutation[] = [
  {
    file: "src/shares.ts",
    what: "a holder may have more than it leaves to the others",
    from: "mine + amount > Math.max(floor, max - taken)",
    to: "mine + amount > max",
    tests: ["test/shares.test.ts"],
  },
  {
    file: "src/services/pages.ts",
    what: "the largest page has no bound",
    from: "return Math.min(asked === 0 ? pageSizeDefault : asked, pageSizeMax);",
    to: "return asked === 0 ? pageSizeDefault : asked;",
    tests: ["test/service/pages.test.ts"],
  },
];
