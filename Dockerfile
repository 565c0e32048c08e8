# syntax=docker/dockerfile:1

# One image for every process: `docker run IMAGE api`, `worker`, `sandbox` or `migrate`.
# Debian, not Alpine: Temporal's native core and sharp ship for glibc.
# Untried: written without a Docker engine at hand.

FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
# Compiles into dist/, takes along what is no TypeScript, and bundles the workflow code.
RUN npm run build
RUN npm prune --omit=dev --no-audit --no-fund

FROM node:22-bookworm-slim AS run
# The platforms and S3 are reached by HTTPS from Temporal's native core too, which reads the system's certificates.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates tini \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV NODE_ENV=production \
  GATEPOST_API_HOST=0.0.0.0 \
  GATEPOST_API_PORT=4400 \
  GATEPOST_WORKFLOW_BUNDLE=/app/dist/workflow-bundle.js
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# What the sandbox keeps and the worker's sign of life; a volume mounted there takes over the owner.
RUN mkdir -p /var/lib/gatepost && chown node:node /var/lib/gatepost
USER node
EXPOSE 4400 4470
# The API's; docker-compose.yml has another for each of the other processes.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.GATEPOST_API_PORT + '/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# tini passes SIGTERM on: both long-running processes drain before they end.
ENTRYPOINT ["tini", "--", "node", "dist/cli/gatepost.js"]
CMD ["api"]
