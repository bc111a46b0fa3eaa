# The image of the worker, the client and the set-up. docker compose builds it; alone: docker build -t warren .
#
# Behind a proxy that signs TLS itself, hand npm its certificate from outside; it does not stay in the image:
#   docker build --secret id=npm-ca,src=ca.crt -t warren .

FROM node:22-alpine AS build
WORKDIR /app
# Packages first: they change seldom, and this layer is kept until the lock file does.
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
# Root owns the files and node runs them: a process that was taken over cannot change what it runs.
COPY --from=build /app/package.json ./
# node_modules has links to here: the command's package.
COPY --from=build /app/packages packages
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/console/page console/page
USER node
# SIGTERM lets the worker drain. It needs an init in front (docker run --init) only to reap what isolated handlers leave.
STOPSIGNAL SIGTERM
CMD ["node", "dist/demo/worker.js"]
