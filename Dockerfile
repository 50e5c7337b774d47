# The suite and its four packages, with the versions that pyproject.toml states:
#
#     docker build --tag mtneuro .                        # for CPUs
#     docker build --tag mtneuro --build-arg TORCH=cu128 . # for NVIDIA GPUs; a name of uv's --torch-backend
#
# Apptainer takes the image as it is:
#
#     docker save --output mtneuro.tar mtneuro && apptainer build mtneuro.sif docker-archive://mtneuro.tar

ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG TORCH=cpu
WORKDIR /source
COPY pyproject.toml LICENSE README.md ./
COPY packages packages
COPY benchmarks/mtneuro_suite benchmarks/mtneuro_suite
RUN pip install --no-cache-dir "uv>=0.8"
RUN uv build --quiet --all-packages --wheel --out-dir /wheels \
    && uv venv --quiet --python "$(command -v python3)" /opt/mtneuro \
    && uv pip install --no-cache --python /opt/mtneuro/bin/python --torch-backend "$TORCH" \
        --no-sources /wheels/*.whl \
    && /opt/mtneuro/bin/python -m compileall -q /opt/mtneuro/lib

FROM python:${PYTHON}-slim
COPY --from=build /opt/mtneuro /opt/mtneuro
# Caches lie where any account may write: Docker's --user and Apptainer bring accounts of their own.
ENV PATH=/opt/mtneuro/bin:$PATH \
    MTNEURO_CACHE=/tmp/mtneuro \
    MPLCONFIGDIR=/tmp/matplotlib \
    NUMBA_CACHE_DIR=/tmp/numba
RUN useradd --create-home --uid 1000 mtneuro
USER mtneuro
WORKDIR /work
CMD ["mtneuro", "--help"]
