# Stands in for prom/prometheus: Debian's package, and of that image the user, folders and options.
FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install --no-install-recommends --yes prometheus wget \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner nobody --group nogroup /prometheus
USER nobody
VOLUME /prometheus
ENTRYPOINT ["prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
