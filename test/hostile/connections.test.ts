import { connections } from "./attacks-connections.ts";
import { testAttacks } from "./suite.ts";

testAttacks(connections);
