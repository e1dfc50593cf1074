import type { InlineConfig } from "vitest/node";
import { defineConfig } from "vitest/config";

// How `npm run test:teeth` runs tests: all service tests on the one server that TEST_DATABASE_URL names.
const common = {
  pool: "forks",
  // A call that hangs is what many a mutation makes: it is not waited for as long as by `npm test`.
  testTimeout: 20_000,
  hookTimeout: 20_000,
  expect: { poll: { timeout: 8_000, interval: 10 } },
} satisfies InlineConfig;

const globalSetup = "test/support/setup-given.ts";

export default defineConfig({
  // Each copy of the project has its own.
  cacheDir: ".vite",
  test: {
    maxWorkers: 2,
    reporters: [["default", { summary: false }]],
    projects: [
      { test: { ...common, name: "unit", include: ["test/*.test.ts"] } },
      { test: { ...common, name: "service", globalSetup, include: ["test/service/**/*.test.ts"] } },
      { test: { ...common, name: "hostile", globalSetup, include: ["test/hostile/*.test.ts"] } },
    ],
  },
});
