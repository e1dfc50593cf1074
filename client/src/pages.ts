import type { CallOptions } from "@connectrpc/connect";

type Page<Item> = { readonly items: readonly Item[]; readonly nextPageToken: string };
type Paged = { readonly pageToken?: string };

/**
 * Yields the items of a list page by page, from the request's page token on. While the items of a page are
 * taken the next page is under way, and no more. A caller that leaves the list gives up the page that it
 * does not need. The options are those of each page's call.
 */
export async function* readPages<Request extends Paged, Item>(
  request: Request | undefined,
  options: CallOptions | undefined,
  read: (call: [Request & { readonly pageToken: string }, CallOptions]) => Promise<Page<Item>>,
): AsyncGenerator<Item> {
  const left = new AbortController();
  const { signal } = options ?? {};
  const either = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  const readAt = (pageToken: string): Promise<Page<Item>> =>
    read([
      { ...(request as Request), pageToken },
      { ...options, signal: either },
    ]);
  try {
    let page = await readAt(request?.pageToken ?? "");
    for (;;) {
      const { items, nextPageToken } = page;
      const next = nextPageToken === "" ? undefined : readAt(nextPageToken);
      // Told when its turn comes.
      next?.catch(() => {});
      yield* items;
      if (next === undefined) return;
      page = await next;
    }
  } finally {
    left.abort();
  }
}
