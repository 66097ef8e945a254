# The hirl command: docker build -t hirl . && docker run --rm -v "$PWD:/work" hirl restore photo.jpg --out restored
FROM python:3.12-slim

COPY . /source
RUN pip install --no-cache-dir '/source[cli]' && rm -r /source
# What is restored belongs to whom it belonged to: --user "$(id -u):$(id -g)"
ENV HIRL_CACHE=/tmp/hirl MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /work
ENTRYPOINT ["hirl"]
