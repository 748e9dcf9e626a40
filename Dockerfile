# The site in one image: docker build -t reviewsite . && docker run -p 8000:8000 -v reviewsite:/data reviewsite
FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
# Before the code, so that a change of code does not install everything again. Plain torch is the
# CUDA build; give --build-arg PIP_EXTRA_INDEX_URL=<PyTorch's CPU index> for the small one.
ARG PIP_EXTRA_INDEX_URL=""
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home reviewsite && install -d -o reviewsite /data
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 VAR_DIR=/data BIND=0.0.0.0:8000
USER reviewsite
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=3)"]
CMD ["sh", "-c", "python manage.py prepare && exec honcho start"]
