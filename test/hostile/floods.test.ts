import { floods } from "./attacks-floods.ts";
import { testAttacks } from "./suite.ts";

testAttacks(floods);
