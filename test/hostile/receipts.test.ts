import { receipts } from "./attacks-receipt.ts";
import { testAttacks } from "./suite.ts";

testAttacks(receipts);
