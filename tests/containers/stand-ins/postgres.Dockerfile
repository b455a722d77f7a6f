# Stands in for pgvector/pgvector: Debian's packages, and of that image the user, folders, variables and stop signal.
FROM debian:trixie-slim
RUN useradd --system --uid 999 --user-group --home-dir /var/lib/postgresql postgres \
    && apt-get update \
    && apt-get install --no-install-recommends --yes postgresql-common \
    && echo "create_main_cluster = false" >> /etc/postgresql-common/createcluster.conf \
    && apt-get install --no-install-recommends --yes postgresql-17 postgresql-17-pgvector \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner postgres --group postgres --mode 1777 /var/lib/postgresql/data /run/postgresql
ENV PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
COPY postgres-start.sh /usr/local/bin/
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres-start.sh"]
