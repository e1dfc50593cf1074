import { defineConfig } from "vitest/config";
import type { Reporter } from "vitest/node";

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

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["dist/**", "node_modules/**"],
    // A process for each file: a test may exhaust, abort or kill what it likes, and its neighbours feel
    // nothing.
    pool: "forks",
    // Tests wait for the database more than they compute: three files keep two cores busy.
    maxWorkers: 3,
    // Far above what any test takes on two busy cores, so that only a call that hangs meets it.
    testTimeout: 20_000,
    hookTimeout: 20_000,
    reporters: ["default", closingLine],
  },
});
