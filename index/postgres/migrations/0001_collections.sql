-- A collection is a row here and, in tables of their own that are numbered by
-- its store, its documents, chunks and postings (see makeStore). A store
-- belongs to one vector space; rows of a run that is not published are born
-- later than the generation, and nobody reads those.
CREATE TABLE collection (
    name          text COLLATE "C" PRIMARY KEY,
    generation    int NOT NULL DEFAULT 0,      -- 0: nothing is published yet
    store         int NOT NULL DEFAULT 0,      -- 0: none
    space         text NOT NULL DEFAULT '',
    dims          int NOT NULL DEFAULT 0,
    splitter      text NOT NULL DEFAULT '',
    keyword       text NOT NULL DEFAULT '',
    documents     int NOT NULL DEFAULT 0,
    chunks        int NOT NULL DEFAULT 0,
    hnsw          boolean NOT NULL DEFAULT false,
    stat_chunks   bigint NOT NULL DEFAULT 0,   -- of the postings, deleted ones included
    stat_tokens   bigint NOT NULL DEFAULT 0,
    stat_loose    int NOT NULL DEFAULT 0,      -- chunks in lists of small runs
    mean          real[],                      -- of the vectors, sampled
    next_document int NOT NULL DEFAULT 1,
    next_chunk    int NOT NULL DEFAULT 1,
    staging       int NOT NULL DEFAULT 0,      -- the store that a run is writing into
    staging_space text NOT NULL DEFAULT '',
    published_at  timestamptz
);

CREATE SEQUENCE store_number;

-- Vectors of runs that were not published.
CREATE TABLE embedded (
    collection text COLLATE "C" NOT NULL,
    space      text COLLATE "C" NOT NULL,
    key        bytea NOT NULL,
    embedding  real[] NOT NULL,
    PRIMARY KEY (collection, space, key)
);
