# syntax=docker/dockerfile:1
# All images of Foreshock: docker build --target exporter|webhook|foreshock|plugin .
# docker-compose.yml builds and joins them.

# ---- front end of the plugin
FROM node:20-bookworm-slim AS frontend
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
COPY tsconfig.json README.md CHANGELOG.md LICENSE ./
COPY .config .config
COPY src src
RUN npm run build

# ---- programs and back end of the plugin
FROM golang:1.26-bookworm AS backend
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY exporter exporter
COPY pkg pkg
COPY webhook webhook
ARG VERSION=0.1.0
ENV GOFLAGS="-trimpath -tags=arrow_json_stdlib"
# The exporter loads NVIDIA's library at run time through cgo; all others are static.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    set -eu; flags="-s -w -X github.com/prometheus/common/version.Version=$VERSION"; \
    CGO_ENABLED=1 go build -ldflags "$flags" -o /out/foreshock-exporter ./exporter; \
    CGO_ENABLED=0 go build -ldflags "$flags" -o /out/foreshock-webhook ./webhook; \
    CGO_ENABLED=0 go build -ldflags "$flags" -o /out/foreshock ./pkg/cmd/foreshock; \
    CGO_ENABLED=0 go build -ldflags "$flags" -o "/out/gpx_foreshock_linux_$(go env GOARCH)" ./pkg
# A folder that the webhook's user may write, for the volume of its data base.
RUN mkdir -p /out/state

# ---- images; each has wget for its health check
FROM debian:bookworm-slim AS exporter
RUN apt-get update && apt-get install -y --no-install-recommends wget && rm -rf /var/lib/apt/lists/*
COPY --from=backend /out/foreshock-exporter /usr/local/bin/foreshock-exporter
USER 65534:65534
EXPOSE 9100
ENTRYPOINT ["/usr/local/bin/foreshock-exporter"]

FROM alpine:3.22 AS webhook
RUN apk add --no-cache ca-certificates tzdata
COPY --from=backend /out/foreshock-webhook /usr/local/bin/foreshock-webhook
COPY --from=backend --chown=65534:65534 /out/state /var/lib/foreshock
COPY provisioning/foreshock/webhook.yml /etc/foreshock/webhook.yml
USER 65534:65534
VOLUME /var/lib/foreshock
EXPOSE 9099
ENTRYPOINT ["/usr/local/bin/foreshock-webhook"]
CMD ["--config.file=/etc/foreshock/webhook.yml"]

FROM alpine:3.22 AS foreshock
RUN apk add --no-cache ca-certificates tzdata
COPY --from=backend /out/foreshock /usr/local/bin/foreshock
COPY provisioning/foreshock/detectors.yml /etc/foreshock/detectors.yml
USER 65534:65534
EXPOSE 9098
ENTRYPOINT ["/usr/local/bin/foreshock"]
CMD ["score", "--config.file=/etc/foreshock/detectors.yml"]

# Grafana with the plugin. The plugin lies outside of /var/lib/grafana, which is a volume: a new image brings a new plugin.
FROM grafana/grafana:12.3.0 AS plugin
USER root
COPY --from=frontend /src/dist /usr/share/foreshock/plugins/foreshock-anomaly-datasource
COPY --from=backend --chmod=0755 /out/gpx_foreshock_linux_* /usr/share/foreshock/plugins/foreshock-anomaly-datasource/
USER grafana
ENV GF_PATHS_PLUGINS=/usr/share/foreshock/plugins \
    GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS=foreshock-anomaly-datasource
