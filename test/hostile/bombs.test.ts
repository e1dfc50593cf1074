import { bombs } from "./attacks-bombs.ts";
import { testAttacks } from "./suite.ts";

testAttacks(bombs);
