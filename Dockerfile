# The gateway (and the simulator) as an image:
#
#   docker build -t ollama-twisted .
#   docker run -p 11435:11435 -v ./node_config.json:/srv/config/node_config.json:ro ollama-twisted
#   docker run --no-healthcheck -p 11434:11434 ollama-twisted ollama-simulator --host 0.0.0.0
#
# Inside a container 127.0.0.1 is the container itself: name the nodes by
# addresses that can be reached from there.

FROM python:3.13-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/ollama-twisted \
    && /opt/ollama-twisted/bin/pip install --no-cache-dir . \
    && /opt/ollama-twisted/bin/twistd --help >/dev/null

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="ollama-twisted" \
      org.opencontainers.image.description="One address in front of many Ollama nodes" \
      org.opencontainers.image.licenses="MIT"
# ss, with which the exporter measures every byte.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends iproute2 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home --home-dir /srv --shell /usr/sbin/nologin gateway
COPY --from=build /opt/ollama-twisted /opt/ollama-twisted
ENV PATH=/opt/ollama-twisted/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GATEWAY_HOST=0.0.0.0 \
    GATEWAY_PORT=11435
WORKDIR /srv
USER 10001
EXPOSE 11435
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import os, sys, http.client as http; asked = http.HTTPConnection('127.0.0.1', int(os.environ['GATEWAY_PORT']), timeout=2); asked.request('GET', '/health'); sys.exit(asked.getresponse().status != 200)"]
ENTRYPOINT ["twistd", "--nodaemon", "--pidfile="]
CMD ["ollama-gateway"]
