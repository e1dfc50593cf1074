import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

/** A certificate and its private key, both PEM. */
export type Certificate = { readonly cert: string; readonly key: string };

/** A certificate authority that lives as long as a test. */
export type Authority = {
  /** The authority's own certificate, PEM. */
  readonly cert: string;
  /** Makes a certificate for a name or an IPv4 address, for servers and clients alike. */
  issue(name: string): Certificate;
};

/** Makes a certificate authority, without OpenSSL's program, which not every machine has. */
export function createAuthority(name = "test authority"): Authority {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const cert = certificate(name, keys.publicKey, name, keys.privateKey, basicConstraints());
  return {
    cert,
    issue(subject) {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      return {
        cert: certificate(subject, publicKey, name, keys.privateKey, alternativeName(subject)),
        key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      };
    },
  };
}

// What follows writes X.509 (RFC 5280) in DER: each value is its tag, its length and its contents.

function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...contents: Uint8Array[]) => der(0x30, ...contents);
const objectId = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
const ecdsaWithSha256 = sequence(objectId("2a8648ce3d040302"));

function certificate(
  subject: string,
  publicKey: KeyObject,
  issuer: string,
  issuerKey: KeyObject,
  extension: Buffer,
): string {
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // Version 3.
    der(0x02, Buffer.from([1]), randomBytes(8)),
    ecdsaWithSha256,
    distinguishedName(issuer),
    sequence(time(-3_600_000), time(3_600_000)),
    distinguishedName(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(extension)),
  );
  const signature = sign("sha256", toBeSigned, issuerKey);
  const whole = sequence(toBeSigned, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature));
  return `-----BEGIN CERTIFICATE-----\n${whole.toString("base64")}\n-----END CERTIFICATE-----\n`;
}

function distinguishedName(commonName: string): Buffer {
  return sequence(der(0x31, sequence(objectId("550403"), der(0x0c, Buffer.from(commonName)))));
}

function time(fromNowMs: number): Buffer {
  const text = new Date(Date.now() + fromNowMs).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return der(0x17, Buffer.from(text.slice(2)));
}

function basicConstraints(): Buffer {
  const isAuthority = sequence(der(0x01, Buffer.from([255])));
  return sequence(objectId("551d13"), der(0x01, Buffer.from([255])), der(0x04, isAuthority));
}

function alternativeName(name: string): Buffer {
  const address = /^\d+(\.\d+){3}$/.test(name);
  const value = address ? der(0x87, Buffer.from(name.split(".").map(Number))) : der(0x82, Buffer.from(name));
  return sequence(objectId("551d11"), der(0x04, sequence(value)));
}
