# The image of the worker, the client and the set-up. docker compose builds it; alone: docker build -t warren .
#
# Behind a proxy with its own TLS certificate, pass that certificate to npm; it does not stay in the image:
#   docker build --secret id=npm-ca,src=ca.crt -t warren .

FROM node:22-alpine AS build
WORKDIR /app
# Packages first: they change rarely, and this layer is cached until the lock file changes.
COPY package.json package-lock.json .npmrc ./
COPY packages/cli/package.json packages/cli/
COPY packages/create-warren/package.json packages/create-warren/
COPY packages/nestjs/package.json packages/nestjs/
COPY packages/outbox/package.json packages/outbox/
RUN --mount=type=secret,id=npm-ca \
    if [ -s /run/secrets/npm-ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/npm-ca; fi; \
    npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npx tsc -p tsconfig.build.json --declaration false --sourceMap false \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:22-alpine
ENV NODE_ENV=production
WORKDIR /app
# Root owns the files and node runs them: a compromised process cannot change its own code.
COPY --from=build /app/package.json ./
# node_modules has links to here: the command's package.
COPY --from=build /app/packages packages
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/console/page console/page
USER node
# SIGTERM lets the worker drain. It needs an init process (docker run --init) only to reap children of isolated handlers.
STOPSIGNAL SIGTERM
CMD ["node", "dist/demo/worker.js"]
