# The site in one image; each of its processes is a command of it (deploy/process):
#   docker build -t reviewsite .
#   docker run -p 8000:8000 -v reviewsite:/data reviewsite          all of them in one container
#   docker run … reviewsite web | worker-training | worker-bulk | beat | migrate
# compose.yaml runs them as services. State is in /data and scratch files in /tmp; the rest of the
# container may be read-only.

# Give a digest (python:3.11-slim-bookworm@sha256:…) for an image that is the same next year.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
# The server of compose.yaml: its own pg_dump is taken, for an older one refuses a newer server.
ARG POSTGRES_IMAGE=postgres:17-bookworm

FROM ${POSTGRES_IMAGE} AS postgresql-client
COPY deploy/postgresql-client /usr/local/bin/
RUN postgresql-client /client

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
# Before the code, so that a change of code does not install everything again.
COPY requirements*.txt ./

FROM build AS venv-full
# Plain torch is the CUDA build; give --build-arg PIP_EXTRA_INDEX_URL=<PyTorch's CPU index> for
# the small one.
ARG PIP_EXTRA_INDEX_URL=""
# With `make hashes` before, each file must be the one that was taken there.
RUN if [ -f requirements-hashed.txt ]; \
    then pip install --no-cache-dir --require-hashes --no-deps -r requirements-hashed.txt; \
    else pip install --no-cache-dir -r requirements.txt; fi

FROM build AS venv-serve
COPY deploy/requirements-serve.in .
RUN pip install --no-cache-dir -c requirements.txt -r requirements-serve.in

FROM build AS translations
RUN pip install --no-cache-dir -c requirements.txt babel
COPY reviewsite/catalogue.py reviewsite/
COPY locale locale
RUN python reviewsite/catalogue.py

FROM build AS code
WORKDIR /app
COPY . .
COPY --from=translations /build/locale locale
# The container that runs it cannot write its own. Hashes, because a copy has other times.
RUN python -m compileall -q --invalidation-mode unchecked-hash .

FROM ${PYTHON_IMAGE} AS base
# tini: a worker's orphans are reaped, and signals arrive. jemalloc: with glibc's malloc the memory
# of a process that rates texts of every length grows and grows.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libjemalloc2 tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 reviewsite \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home reviewsite \
    && install -d -o reviewsite -g reviewsite /data
WORKDIR /app
# LD_PRELOAD without a folder: the loader finds it on every architecture.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LD_PRELOAD=libjemalloc.so.2 \
    VAR_DIR=/data \
    BIND=0.0.0.0:8000
# By number, so that Kubernetes sees that it is not root.
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s CMD ["python", "deploy/healthy.py"]
ENTRYPOINT ["tini", "--", "/app/deploy/process"]

# The web process alone, without torch and with nothing to train. It serves models that have their graph (manage.py export_model); one without
# it, or one that was never installed, needs the full image first.
FROM base AS serve
COPY --from=venv-serve /venv /venv
COPY --from=code /app /app
CMD ["web"]

FROM base AS full
COPY --from=postgresql-client /client /opt/postgresql
ENV PATH=/opt/postgresql/bin:$PATH
COPY --from=venv-full /venv /venv
COPY --from=code /app /app
CMD ["all"]
