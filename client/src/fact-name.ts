/** The name of a fact: a key of an error's metadata as TypeScript writes it; `product_id` is productId. */
export function toFactName(key: string): string {
  return key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
