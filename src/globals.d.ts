// Connect's types name this type of lib "dom", which we do not load; without it `skipLibCheck` makes it
// `any`.
type HeadersInit = NonNullable<ConstructorParameters<typeof Headers>[0]>;
