# One image for every process of ours; docker-compose.yml says which one a container runs.
FROM node:20-bookworm-slim

# Postgres' peer authentication tells callers by their names, so agents and proxies have to have the
# same users with the same ids: they run the same image. Agents start as root, for a unix user to each
# data directory; proxies start as root and become pilotlight-proxy.
RUN useradd --system --uid 901 --no-create-home --shell /usr/sbin/nologin pilotlight-proxy \
 && useradd --system --uid 902 --no-create-home --shell /usr/sbin/nologin pilotlight-service \
 && mkdir -p /run/pilotlight /var/lib/pilotlight/volume \
 && chmod 0711 /run/pilotlight /var/lib/pilotlight /var/lib/pilotlight/volume

WORKDIR /app

# What is installed changes less often than what is compiled.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --include=optional

# A copy of Postgres that unprivileged users can reach and run, whatever the architecture.
COPY tsconfig.json tsconfig.build.json ./
COPY model model
COPY contract contract
COPY lib lib
COPY db db
COPY api api
COPY host host
COPY proxy proxy
COPY workflows workflows
COPY activities activities
COPY workers workers
COPY console console
COPY dev dev
COPY bench bench
COPY docs/openapi.json docs/openapi.json
RUN npx tsc -p tsconfig.build.json \
 && node dist/workers/build-bundle.js \
 && node --input-type=module -e "import { resolvePostgres } from '/app/dist/host/prepare.js'; await resolvePostgres('/opt/pilotlight')" \
 && ln -s /opt/pilotlight/postgres-* /opt/postgres

ENV NODE_ENV=production \
    PILOTLIGHT_BIND=0.0.0.0 \
    PILOTLIGHT_PROXY_USER=pilotlight-proxy \
    PILOTLIGHT_SERVICE_USER=pilotlight-service

ENTRYPOINT ["node", "--enable-source-maps"]
