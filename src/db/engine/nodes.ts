/** What the failure of an attempt says of the node that it ran on. */
export type NodeFault =
  /** It says that it stops. */
  | "leaving"
  /** Its connection broke, or it did not answer: a network may do that, too, and a locked row. */
  | "silent";

/** Is told when connections begin and cease to be kept away from a node. */
export type NodesObserver = {
  readonly nodeFailed: (node: string, fault: NodeFault) => void;
  readonly nodeIsBack: (node: string) => void;
};

/** The state of a node, as far as the connections of the pool tell. */
export type NodeState = { readonly connections: number; readonly isHealthy: boolean };

/**
 * What the pool knows of the nodes of a cluster, by their ids: which ones fail, and how many connections each
 * has. `madeAt` is when the connection was made that something is learnt from.
 */
export type Nodes = {
  opened(node: string): void;
  closed(node: string): void;
  /** A connection has been used and is sound. */
  answered(node: string, madeAt: number): void;
  failed(node: string, madeAt: number, fault: NodeFault): void;
  /** Whether a connection is to be asked for a sign of life before it is used. */
  isSuspected(node: string): boolean;
  /** Whether an idle connection may be handed out. */
  mayUse(node: string, madeAt: number): boolean;
  /**
   * Whether a connection that was just made may be handed out. Of a node that has failed it is one at a time,
   * the next one after a longer wait, until one of them has been of use.
   */
  mayTry(node: string): boolean;
  /**
   * Whether a connection that is not needed at the moment is to be closed, so that the next one can be made
   * elsewhere: one now and then, of the node that has most. Of a node that is used though it fails, because
   * none is healthy, it is one after each wait: only a new one shows whether it is back.
   */
  retires(node: string): boolean;
  /** Whether some node fails, as far as is known. */
  areFailing(): boolean;
  states(): ReadonlyMap<string, NodeState>;
};

/** Time and chance, which tests own. */
export type NodesOptions = {
  readonly observer?: Partial<NodesObserver> | undefined;
  readonly now?: () => number;
  readonly random?: () => number;
};

type Node = {
  connections: number;
  isHealthy: boolean;
  /** Faults since it last answered; as many as `faultsMax` make it fail. */
  faults: number;
  /** What was made before then says nothing new of it. */
  failedAt: number;
  /** When it gets a connection again, to see whether it is back. */
  tryAt: number;
  backoffMs: number;
};

/** One may be a row that was locked for long, or a network that dropped a connection. */
const faultsMax = 2;
/** A node that stops answers no new connection; this is for one that takes connections and does no work. */
const backoffMsBase = 2_000;
/** Each try may cost a call half of its deadline, on average half of them at a time. */
const backoffMsMax = 60_000;
/** How long a node that has failed without coming back counts among those that may. */
const forgetMs = 10 * 60_000;
/** Between two connections that are closed for the sake of balance: making one costs a call some ms. */
const retireMs = 5_000;

/** Keeps account of the nodes of a cluster. */
export function createNodes(options: NodesOptions = {}): Nodes {
  const { observer, now = () => performance.now(), random = Math.random } = options;
  const nodes = new Map<string, Node>();
  let retireAt = -Infinity;
  const jitter = (ms: number): number => ms * (0.5 + random());
  const find = (id: string): Node => {
    const node = nodes.get(id) ?? { ...unknown };
    nodes.set(id, node);
    return node;
  };
  return {
    opened(id) {
      forget(nodes, now());
      find(id).connections++;
    },
    closed: (id) => void find(id).connections--,
    answered(id, madeAt) {
      const node = find(id);
      if (!node.isHealthy && madeAt <= node.failedAt) return;
      node.faults = 0;
      if (node.isHealthy) return;
      node.isHealthy = true;
      observer?.nodeIsBack?.(id);
    },
    failed(id, madeAt, fault) {
      const node = find(id);
      if (madeAt <= node.failedAt) return;
      node.faults += fault === "leaving" ? faultsMax : 1;
      if (node.faults < faultsMax) return;
      const wasHealthy = node.isHealthy;
      putOff(node, now(), jitter);
      if (wasHealthy) observer?.nodeFailed?.(id, fault);
    },
    isSuspected: (id) => find(id).faults > 0,
    mayUse(id, madeAt) {
      const { isHealthy, failedAt } = find(id);
      return isHealthy || madeAt > failedAt || isAlone(nodes);
    },
    mayTry(id) {
      const node = find(id);
      return node.isHealthy || isAlone(nodes) || isDue(node, now(), jitter);
    },
    retires(id) {
      const node = find(id);
      if (!node.isHealthy) return isDue(node, now(), jitter);
      if (now() < retireAt) return false;
      forget(nodes, now());
      const fullest = findOverfull(nodes, now());
      // Where none has too many, there is time until the next look.
      if (fullest === undefined || fullest === id) retireAt = now() + jitter(retireMs);
      return fullest === id;
    },
    areFailing: () => [...nodes.values()].some(({ isHealthy }) => !isHealthy),
    states() {
      forget(nodes, now());
      return nodes;
    },
  };
}

/** Nothing is known of nodes, and nothing follows from it: PostgreSQL has none. */
export const noNodes: Nodes = {
  opened() {},
  closed() {},
  answered() {},
  failed() {},
  isSuspected: () => false,
  mayUse: () => true,
  mayTry: () => true,
  retires: () => false,
  areFailing: () => false,
  states: () => new Map(),
};

const unknown: Node = {
  connections: 0,
  isHealthy: true,
  faults: 0,
  failedAt: -Infinity,
  tryAt: -Infinity,
  backoffMs: backoffMsBase,
};

/** Keeps connections away from a node that has failed: for twice as long where it has failed before. */
function putOff(node: Node, now: number, jitter: (ms: number) => number): void {
  const isAgain = now - node.failedAt < forgetMs;
  node.backoffMs = isAgain ? Math.min(2 * node.backoffMs, backoffMsMax) : backoffMsBase;
  node.failedAt = now;
  node.tryAt = now + jitter(node.backoffMs);
  node.isHealthy = false;
  // The next one is enough.
  node.faults = faultsMax - 1;
}

/** Whether a node that has failed may be tried again; if so, the next time is put off. */
function isDue(node: Node, now: number, jitter: (ms: number) => number): boolean {
  if (now < node.tryAt) return false;
  node.tryAt = now + jitter(node.backoffMs);
  return true;
}

/** Whether none is healthy: then one that fails is better than none. */
function isAlone(nodes: ReadonlyMap<string, Node>): boolean {
  return [...nodes.values()].every(({ connections, isHealthy }) => !isHealthy || connections === 0);
}

function forget(nodes: Map<string, Node>, now: number): void {
  for (const [id, { connections, isHealthy, failedAt }] of nodes)
    if (connections === 0 && (isHealthy || now - failedAt > forgetMs)) nodes.delete(id);
}

/**
 * The node that has most connections, if these are more than its share. A node that has failed has a share as
 * soon as it may be tried again: a connection must be made to see whether it is back.
 */
function findOverfull(nodes: ReadonlyMap<string, Node>, now: number): string | undefined {
  const sharing = [...nodes].filter(([, { isHealthy, tryAt }]) => isHealthy || now >= tryAt);
  const total = sharing.reduce((sum, [, { connections }]) => sum + connections, 0);
  const share = Math.ceil(total / sharing.length);
  const [fullest] = sharing.toSorted(([, one], [, other]) => other.connections - one.connections);
  return fullest && fullest[1].connections > share ? fullest[0] : undefined;
}
