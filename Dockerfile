# One image for every service of compose.yaml; the command chooses what a container is.
FROM python:3.11-slim-trixie AS build
WORKDIR /build
COPY requirements.lock ./
# Hashes: what was locked, and nothing else, gets in.
RUN python -m venv /opt/umpire \
    && /opt/umpire/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock
COPY . .
RUN /opt/umpire/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-trixie
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin umpire \
    && install -d -o umpire -g umpire -m 700 /var/lib/umpire
COPY --from=build /opt/umpire /opt/umpire
ENV PATH=/opt/umpire/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    UMPIRE_HOST=0.0.0.0 \
    UMPIRE_SPOOL_PATH=/var/lib/umpire/spool.sqlite3
USER 10001
# Outside the source tree, so that only the installed packages are found.
WORKDIR /tmp
EXPOSE 8080
# For the API, the default; compose.yaml gives the other services their own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["umpire", "api"]
