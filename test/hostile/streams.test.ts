import { streams } from "./attacks-streams.ts";
import { testAttacks } from "./suite.ts";

testAttacks(streams);
