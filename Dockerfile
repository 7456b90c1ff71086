# syntax=docker/dockerfile:1
# gankit, for a CPU or, by a build argument, for NVIDIA GPUs:
#
#   docker build -t gankit .
#   docker build -t gankit:cuda --build-arg TORCH=cu126 .
#   docker run --rm -v "$PWD:/work" gankit train demo
#   docker run --rm --gpus all --shm-size 8g -v "$PWD:/work" gankit:cuda train cyclegan --set data.root=datasets/horse2zebra
#
# Files in /work belong to the user 1000; for another one add --user "$(id -u):$(id -g)".
ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim-bookworm
# Which wheels of torch: cpu, or a version of CUDA for which https://download.pytorch.org/whl has them, such as cu126.
# They bring CUDA's libraries; the machine needs NVIDIA's driver and its container toolkit.
ARG TORCH=cpu
# What gankit is installed with: see the extras in pyproject.toml.
ARG EXTRAS=export,serve,tiff,video

# torch.compile and Triton call a compiler while they run. The version is that of the base image's Debian.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

# torch in a layer of its own, which a change of gankit leaves as it is.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --index-url "https://download.pytorch.org/whl/${TORCH}" torch torchvision
# The extra index keeps pip from exchanging these wheels of torch for others.
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --extra-index-url "https://download.pytorch.org/whl/${TORCH}" \
        "gankit[${EXTRAS}] @ file://$(find /wheels -name '*.whl')"

# Caches of weights and compiled kernels are written to HOME, for any user.
ENV HOME=/home/gankit \
    PYTHONUNBUFFERED=1
RUN useradd --uid 1000 --home-dir "$HOME" --create-home gankit && chmod 1777 "$HOME"
USER 1000
WORKDIR /work
ENTRYPOINT ["gankit"]
CMD ["--help"]
