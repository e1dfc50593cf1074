// Connect's types use this type of lib "dom", which is not loaded; without it `skipLibCheck` makes it `any`.
type HeadersInit = NonNullable<ConstructorParameters<typeof Headers>[0]>;
