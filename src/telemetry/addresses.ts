type Socket = { readonly remoteAddress?: string | undefined };

/** The addresses of sessions' peers: a session that has ended does not tell it any more. */
const addresses = new WeakMap<object, string | undefined>();

/** Notes the address of a session's peer while its socket is there. */
export function rememberAddress(session: object, { remoteAddress }: Socket): void {
  addresses.set(session, remoteAddress);
}

/** The address of the peer of a connection: a session that was remembered, or a socket. */
export function toAddress(connection: object): string | undefined {
  const address = addresses.get(connection) ?? (connection as Socket).remoteAddress;
  return address === undefined ? undefined : toPlainAddress(address);
}

/** An IPv4 address may be mapped into IPv6. */
export function toPlainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}
