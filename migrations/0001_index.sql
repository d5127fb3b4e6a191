-- The index: names, versions and places of bytes. Truth about names lives here, bytes live in the upstream registry.
--
-- The blob invariant stands on foreign keys: every row that names a blob references `blobs`, so that Postgres itself
-- refuses to forget a blob that a committed row names; naming one takes a key-share lock that the sweeper's lock excludes.
--
-- Keys, upload ids and bucket names are COLLATE "C": they compare byte by byte, which is the order that S3 lists in.

CREATE TABLE stores (
    id          smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE stores IS 'Upstream registries. URL and credentials are configuration; rows refer to a store by its id.';

CREATE TABLE placements (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id    smallint NOT NULL REFERENCES stores,
    prefix      text NOT NULL,
    shards      smallint NOT NULL CHECK (shards BETWEEN 1 AND 256),
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE placements IS 'Where a bucket puts its bytes: a store, and `shards` repositories there, named `prefix/<id>/<shard>`. Outlives its bucket while a copy elsewhere names its blobs.';

CREATE TABLE repositories (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    placement_id bigint NOT NULL REFERENCES placements,
    shard        smallint NOT NULL CHECK (shard BETWEEN 0 AND 255),
    UNIQUE (placement_id, shard)
);
COMMENT ON TABLE repositories IS 'One repository at a store: `prefix/<placement>/<shard as two hex digits>`. Bytes whose digest is known first go to the shard of its first byte; bytes that stream go to any.';

CREATE TABLE buckets (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text COLLATE "C" NOT NULL UNIQUE,
    placement_id  bigint NOT NULL UNIQUE REFERENCES placements,
    region        text NOT NULL,
    versioning    text NOT NULL DEFAULT 'off' CHECK (versioning IN ('off', 'enabled', 'suspended')),
    object_lock   boolean NOT NULL DEFAULT false,
    owner         text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE blobs (
    repository_id bigint NOT NULL REFERENCES repositories,
    digest        bytea NOT NULL CHECK (octet_length(digest) = 32),
    size          bigint NOT NULL CHECK (size >= 0),
    condemned_at  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX blobs_condemned ON blobs (condemned_at) WHERE condemned_at IS NOT NULL;
COMMENT ON TABLE blobs IS 'Every blob that may be at a store: pinned before it is uploaded, forgotten after it is deleted there.';
COMMENT ON COLUMN blobs.condemned_at IS 'Set when a sweeper has found that nothing names or pins the blob, and before it asks the store to delete it. From then on nothing may name or pin it: a delete request may be on its way, and no lock outlives a crash.';

CREATE TABLE blob_pins (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repository_id bigint NOT NULL,
    digest        bytea NOT NULL,
    due_at        timestamptz NOT NULL,
    CONSTRAINT blob_pins_blob_fkey FOREIGN KEY (repository_id, digest) REFERENCES blobs
);
CREATE INDEX blob_pins_by_blob ON blob_pins (repository_id, digest);
CREATE INDEX blob_pins_by_due ON blob_pins (due_at);
COMMENT ON TABLE blob_pins IS 'Until due_at nothing deletes the blob; then the sweeper looks whether anything names it. A writer pins before it uploads; whoever takes a name away leaves a pin so that reads in flight can finish.';

CREATE TABLE objects (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket_id         bigint NOT NULL REFERENCES buckets,
    key               text COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 1024),
    version_id        text COLLATE "C" NOT NULL DEFAULT 'null',
    is_latest         boolean NOT NULL DEFAULT true,
    is_delete_marker  boolean NOT NULL DEFAULT false,
    size              bigint NOT NULL CHECK (size >= 0),
    etag              text NOT NULL,
    -- Where the bytes are. One segment stands in the row itself; more stand in object_segments.
    segment_count     integer NOT NULL CHECK (segment_count >= 0),
    repository_id     bigint,
    digest            bytea,
    blob_offset       bigint,
    part_number       integer NOT NULL DEFAULT 1,
    inline_bytes      bytea,
    -- 0 for an object put in one piece, else the number of parts of its multipart upload.
    part_count        integer NOT NULL DEFAULT 0,
    checksum_type     text CHECK (checksum_type IN ('FULL_OBJECT', 'COMPOSITE')),
    checksums         jsonb NOT NULL DEFAULT '{}',
    headers           jsonb NOT NULL DEFAULT '{}',
    metadata          jsonb NOT NULL DEFAULT '{}',
    tags              jsonb NOT NULL DEFAULT '{}',
    storage_class     text NOT NULL DEFAULT 'STANDARD',
    owner             text NOT NULL,
    oci_digest        bytea CHECK (octet_length(oci_digest) = 32),
    oci_artifact_type text,
    retention_mode    text CHECK (retention_mode IN ('GOVERNANCE', 'COMPLIANCE')),
    retain_until      timestamptz,
    legal_hold        boolean NOT NULL DEFAULT false,
    last_modified     timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp()),
    CONSTRAINT objects_blob_fkey FOREIGN KEY (repository_id, digest) REFERENCES blobs,
    CHECK ((segment_count = 1) = (digest IS NOT NULL AND repository_id IS NOT NULL AND blob_offset IS NOT NULL)),
    CHECK (NOT is_delete_marker OR (size = 0 AND segment_count = 0))
);
-- The one index that reads and listings walk: one row a key, in byte order.
CREATE UNIQUE INDEX objects_latest ON objects (bucket_id, key) WHERE is_latest;
-- Older versions. Two partial indexes instead of one over all versions: a PUT writes the key once, not twice. Whoever
-- makes a version holds the lock of the latest row, so that a version id cannot stand in both.
CREATE UNIQUE INDEX objects_older ON objects (bucket_id, key, version_id) WHERE NOT is_latest;
-- For the foreign key alone: without it deleting a bucket would read every object there is.
CREATE INDEX objects_by_bucket ON objects (bucket_id);
CREATE INDEX objects_by_blob ON objects (repository_id, digest) WHERE digest IS NOT NULL;
COMMENT ON COLUMN objects.part_number IS 'Part of a multipart upload that the one segment is; object_segments says it where there are more.';
COMMENT ON COLUMN objects.headers IS 'Standard headers that are given back on a read: content-type, cache-control, and so on.';
COMMENT ON COLUMN objects.checksums IS 'Algorithm in lower case -> base64 value, as the client or the server computed it.';

CREATE TABLE object_segments (
    object_id     bigint NOT NULL REFERENCES objects ON DELETE CASCADE,
    object_offset bigint NOT NULL,
    part_number   integer NOT NULL,
    size          bigint NOT NULL CHECK (size > 0),
    repository_id bigint NOT NULL,
    digest        bytea NOT NULL,
    blob_offset   bigint NOT NULL,
    PRIMARY KEY (object_id, object_offset),
    CONSTRAINT object_segments_blob_fkey FOREIGN KEY (repository_id, digest) REFERENCES blobs
);
CREATE INDEX object_segments_by_blob ON object_segments (repository_id, digest);

CREATE TABLE object_parts (
    object_id   bigint NOT NULL REFERENCES objects ON DELETE CASCADE,
    part_number integer NOT NULL,
    size        bigint NOT NULL,
    etag        text NOT NULL,
    checksums   jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (object_id, part_number)
);
COMMENT ON TABLE object_parts IS 'What a client said and we computed of each part of a completed multipart upload.';

CREATE TABLE uploads (
    id                 text COLLATE "C" PRIMARY KEY,
    bucket_id          bigint NOT NULL REFERENCES buckets,
    key                text COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 1024),
    checksum_algorithm text,
    checksum_type      text CHECK (checksum_type IN ('FULL_OBJECT', 'COMPOSITE')),
    headers            jsonb NOT NULL DEFAULT '{}',
    metadata           jsonb NOT NULL DEFAULT '{}',
    tags               jsonb NOT NULL DEFAULT '{}',
    storage_class      text NOT NULL DEFAULT 'STANDARD',
    owner              text NOT NULL,
    initiated_at       timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp())
);
CREATE INDEX uploads_by_key ON uploads (bucket_id, key, id);
CREATE INDEX uploads_by_age ON uploads (initiated_at);

CREATE TABLE upload_parts (
    upload_id     text COLLATE "C" NOT NULL REFERENCES uploads ON DELETE CASCADE,
    part_number   integer NOT NULL CHECK (part_number BETWEEN 1 AND 10000),
    size          bigint NOT NULL CHECK (size >= 0),
    etag          text NOT NULL,
    checksums     jsonb NOT NULL DEFAULT '{}',
    last_modified timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp()),
    PRIMARY KEY (upload_id, part_number)
);

CREATE TABLE upload_segments (
    upload_id     text COLLATE "C" NOT NULL,
    part_number   integer NOT NULL,
    ordinal       integer NOT NULL,
    size          bigint NOT NULL CHECK (size > 0),
    repository_id bigint NOT NULL,
    digest        bytea NOT NULL,
    blob_offset   bigint NOT NULL,
    PRIMARY KEY (upload_id, part_number, ordinal),
    -- Not to upload_parts: ten thousand parts would fire as many triggers when an upload goes.
    FOREIGN KEY (upload_id) REFERENCES uploads ON DELETE CASCADE,
    CONSTRAINT upload_segments_blob_fkey FOREIGN KEY (repository_id, digest) REFERENCES blobs
);
CREATE INDEX upload_segments_by_blob ON upload_segments (repository_id, digest);

CREATE TABLE completed_uploads (
    id           text COLLATE "C" PRIMARY KEY,
    bucket_id    bigint NOT NULL REFERENCES buckets ON DELETE CASCADE,
    key          text COLLATE "C" NOT NULL,
    object_id    bigint NOT NULL,
    etag         text NOT NULL,
    last_modified timestamptz NOT NULL,
    completed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX completed_uploads_by_bucket ON completed_uploads (bucket_id);
CREATE INDEX completed_uploads_by_age ON completed_uploads (completed_at);
COMMENT ON TABLE completed_uploads IS 'A repeated CompleteMultipartUpload gets the same answer for a while.';

CREATE TABLE store_sessions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id      smallint NOT NULL REFERENCES stores,
    location      text NOT NULL,
    due_at        timestamptz NOT NULL
);
CREATE INDEX store_sessions_by_due ON store_sessions (due_at);
COMMENT ON TABLE store_sessions IS 'Upload sessions that are open at a store: written down before the first byte, so that a crash leaves none behind for good.';
