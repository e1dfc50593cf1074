/** The element at an index where there is one; throws a RangeError where there is not. */
export function nth<T>(list: ArrayLike<T>, index: number): NonNullable<T> {
  const element = list[index];
  if (element === undefined || element === null)
    throw new RangeError(`there is no element ${index} of ${list.length}`);
  return element;
}

/** The last element of a list that has some; throws a RangeError otherwise. */
export function last<T>(list: ArrayLike<T>): NonNullable<T> {
  return nth(list, list.length - 1);
}

/** A list that was filled by index and has all of its elements; throws a RangeError where one is missing. */
export function whole<T>(list: readonly (T | undefined)[]): NonNullable<T>[] {
  return Array.from(list, (_, index) => nth(list, index));
}

/** The keys of an object of which the type names all, such as a table of constants. */
export function keysOf<T extends object>(table: T): (keyof T)[] {
  return Object.keys(table) as (keyof T)[];
}
