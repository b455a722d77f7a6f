# Two images of one installation: `service` answers over HTTP, `builder` makes indexes.
#
#   docker build --target service -t dpr-service .
#   docker build --target builder -t dpr-builder .
#
# Both run as an unprivileged user and write nowhere but /tmp, the volume /cache and, the builder, its index folder: give
# them a read-only root file system and a tmpfs at /tmp. /cache has the models as OpenVINO runs them, about 450 MB.

# What the package depends on: over 2 GB, which a change of the code neither installs nor copies again.
FROM python:3.11-slim AS dependencies

# Another index of PyTorch, such as https://download.pytorch.org/whl/cu128, makes an image for a GPU.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /source
COPY requirements.lock pyproject.toml deploy/check_hashes.py ./
ARG EXTRAS=service,report
RUN python -c "import sys, tomllib; project = tomllib.load(sys.stdin.buffer)['project']; \
        extras = [project['optional-dependencies'][name] for name in '$EXTRAS'.split(',')]; \
        print(*sum(extras, project['dependencies']), sep='\n')" < pyproject.toml > dependencies.txt \
    && sed -n 's/^\([A-Za-z0-9._-]*==[^ ]*\).*/\1/p' requirements.lock > pins.txt \
    && pip install --extra-index-url "$TORCH_INDEX" -c pins.txt -r dependencies.txt --report report.json \
    && python check_hashes.py requirements.lock report.json


# The package with its commands and the bundled models, to be laid over the environment of the same path.
FROM python:3.11-slim AS package

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY dpr dpr
COPY index_builder index_builder
COPY service service
COPY models models
RUN pip install --no-deps --prefix /package .


FROM python:3.11-slim AS runtime

# OpenMP's library, which the slim image does not have, for packages that do not bring their own. The folders of volumes,
# whose owner a new volume takes over; /work is that of the cluster in docker-compose.yml. And /models, since indexes that
# earlier images built name their encoder by its path there.
RUN apt-get update \
    && apt-get install --no-install-recommends --yes libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin dpr \
    && install --directory --owner dpr --group dpr /index /cache /keys /work \
    && ln -s /opt/venv/lib/python3.11/site-packages/dpr/bundled /models
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=package /package /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    DPR_OPENVINO_CACHE=/cache \
    HF_HOME=/tmp/huggingface \
    MPLCONFIGDIR=/tmp/matplotlib \
    NUMBA_CACHE_DIR=/tmp/numba \
    OMP_WAIT_POLICY=passive \
    GOMP_SPINCOUNT=10000
USER dpr
WORKDIR /tmp
VOLUME ["/index", "/cache", "/keys"]


FROM runtime AS builder

ENTRYPOINT ["dpr-index"]
CMD ["--help"]


FROM runtime AS service

ENV DPR_INDEX=/index \
    DPR_HOST=0.0.0.0 \
    DPR_PORT=8000
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, ssl, urllib.request; tls = os.environ.get('DPR_TLS_CERT'); urllib.request.urlopen(f\"http{'s' if tls else ''}://127.0.0.1:{os.environ['DPR_PORT']}/readyz\", timeout=4, context=ssl._create_unverified_context() if tls else None)"]
ENTRYPOINT ["dpr-serve"]
