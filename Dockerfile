# syntax=docker/dockerfile:1
# The service without npm, shell scripts or development packages beside it: `docker build -t commerce-core .`.
# deploy/README.md says how it is configured and run.
ARG NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="commerce-core" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE ./
COPY migrations migrations
COPY scripts/migrate.ts scripts/
COPY src src
ENV NODE_ENV=production MALLOC_ARENA_MAX=2
# Node's cache of compiled code belongs to a version of Node, its flags and a user. It is made here, by starts that
# end with 1 at a database that is not there, since a read-only container cannot.
RUN install -d -o 65534 -g 65534 node_modules/.cache
USER 65534:65534
RUN export DATABASE_URL=postgres://nobody@127.0.0.1:1/none DATABASE_WAIT_MAX=0s; \
    for WORKERS in 1 2; do export WORKERS; \
      node --expose-gc --max-semi-space-size=16 src/main.ts; test $? -eq 1 || exit 1; done
# The flags of `npm start`. Node is the first process: the service handles SIGTERM and SIGINT, and ends its own
# workers. `docker run … scripts/migrate.ts` migrates.
ENTRYPOINT ["node", "--expose-gc", "--max-semi-space-size=16"]
CMD ["src/main.ts"]
