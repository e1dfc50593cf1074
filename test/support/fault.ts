/** What the proxy does to an exchange. A cut is a reset (RST). */
export type Fault =
  /** The server never hears of it: cuts both sides. */
  | { readonly kind: "cut_before" }
  /** The server finishes it and the client never hears of that: it is cut when the server is ready again. */
  | { readonly kind: "drop_answer" }
  /** Cuts both sides as soon as it is sent: it happens or it does not. */
  | { readonly kind: "cut_after" }
  /** The server finishes it and nothing is heard of this connection any more, nor of its end. */
  | { readonly kind: "hang" }
  /**
   * The server never hears of it; the answer is an error that fails the transaction or (57P0x) the session.
   */
  | { readonly kind: "error"; readonly code: string }
  /** The server finishes it and the answer is an error. */
  | { readonly kind: "error_after"; readonly code: string }
  /** Cuts the client at once; the server hears of it later, finishes it, and its session ends. */
  | { readonly kind: "late"; readonly ms: number }
  /** The server finishes it; the client is cut, and the server does not hear of that. */
  | { readonly kind: "orphan" }
  /** From now on nothing passes, in either direction; each side believes that the other one is there. */
  | { readonly kind: "half_open" }
  /**
   * It waits in the network, and arrives then unless the sender has taken it back by a reset; where its
   * packets have left the sender (`hasLeft`), in any case. `over` is told when the server has finished it, or
   * cannot get it any more.
   */
  | {
      readonly kind: "stall";
      readonly until: Promise<unknown>;
      readonly hasLeft?: boolean;
      readonly over?: () => void;
    }
  /** The server never hears of it; a node that drains says so, and closes the connection a little later. */
  | { readonly kind: "drain" }
  /** It takes longer. */
  | { readonly kind: "delay"; readonly ms: number };
