import { defineConfig } from "vitest/config";
import type { InlineConfig, Reporter } from "vitest/node";
import { findEngines } from "./test/support/engines.ts";

/**
 * Prints `N passed, N failed, N skipped` alone on the last line, for machines that read the output. What
 * fails outside of a test (a file that does not load, an error that nobody caught) counts as failed.
 */
const closingLine: Reporter = {
  onTestRunEnd(modules, unhandledErrors) {
    const states = modules.flatMap((file) =>
      Array.from(file.children.allTests(), (test) => test.result().state),
    );
    const count = (state: (typeof states)[number]) => states.filter((each) => each === state).length;
    const suites = modules.flatMap((file) => [file, ...file.children.allSuites()]);
    const failedOutside = suites.filter((suite) => suite.errors().length > 0).length + unhandledErrors.length;
    const passed = `${count("passed")} passed, ${count("failed") + count("pending") + failedOutside} failed`;
    console.log(`\n${passed}, ${count("skipped")} skipped`);
  },
};

/** What holds for every project. */
const common = {
  // A process for each file: a test may exhaust, abort or kill what it likes, and its neighbours feel
  // nothing.
  pool: "forks",
  // Far above what any test takes on two busy cores, so that only a call that hangs meets it.
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // Until what a test waits for is so: only what never comes meets it.
  expect: { poll: { timeout: 10_000, interval: 10 } },
} satisfies InlineConfig;

const engines = await findEngines(process.env);

export default defineConfig({
  test: {
    // Tests wait for the database more than they compute: three files keep two cores busy.
    maxWorkers: 3,
    reporters: ["default", closingLine],
    projects: [
      { test: { ...common, name: "unit", include: ["test/*.test.ts", "test/teeth/*.test.ts"] } },
      // Attacks on a service in a process of its own, file by file: each measures how others fare beside it.
      {
        test: {
          ...common,
          name: "hostile",
          globalSetup: "test/support/setup-embedded.ts",
          include: ["test/hostile/*.test.ts"],
          fileParallelism: false,
        },
      },
      // The behaviour of the service, on each engine that there is.
      ...engines.map(({ name, globalSetup, exclude = [] }) => ({
        test: { ...common, name, globalSetup, include: ["test/service/**/*.test.ts"], exclude },
      })),
    ],
  },
});
