import { calls } from "./attacks-calls.ts";
import { testAttacks } from "./suite.ts";

testAttacks(calls);
