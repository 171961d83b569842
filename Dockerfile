# Build stage: compilers for the native Opus binding, then the compiled program and its production packages.
FROM node:20-bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 make g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /callwire
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY protocol protocol
COPY codecs codecs
COPY gateway gateway
COPY bench bench
RUN npm ci && npm prune --omit=dev --ignore-scripts

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /callwire
COPY --from=build /callwire/package.json ./
COPY --from=build /callwire/node_modules node_modules
COPY --from=build /callwire/dist dist
COPY LICENSE ./
USER node
EXPOSE 5060/udp 5060/tcp 8080/tcp 10000-19999/udp
# Answers on loopback only, which is where the check asks.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Media worker threads sleep in Atomics.wait; SIGTERM reaches node directly and drains.
ENTRYPOINT ["node", "dist/gateway/cli/main.js"]
CMD ["serve"]
