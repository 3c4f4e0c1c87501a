package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index"
)

// row is a collection's row. It says which store's tables are its own.
type row struct {
	name                    string
	generation, store       int
	space                   string
	dims                    int
	splitter, keyword       string
	documents, chunks       int
	hnsw                    bool
	statChunks, statTokens  int64
	statLoose               int
	nextDocument, nextChunk int
	staging                 int
	stagingSpace            string
	published               *time.Time
	size                    int64 // bytes of the store's tables; only where it was asked for
}

const rowColumns = `name, generation, store, space, dims, splitter, keyword, documents, chunks, hnsw,
	stat_chunks, stat_tokens, stat_loose, next_document, next_chunk, staging, staging_space, published_at`

func scanRow(from pgx.Row, more ...any) (r row, err error) {
	err = from.Scan(append([]any{&r.name, &r.generation, &r.store, &r.space, &r.dims, &r.splitter, &r.keyword, &r.documents, &r.chunks, &r.hnsw,
		&r.statChunks, &r.statTokens, &r.statLoose, &r.nextDocument, &r.nextChunk, &r.staging, &r.stagingSpace, &r.published}, more...)...)
	return r, err
}

// querier is a connection, a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// published reads the row of a published collection; [index.ErrNotFound] if
// there is none.
func published(ctx context.Context, q querier, collection string) (row, error) {
	if err := index.CheckName(collection); err != nil {
		return row{}, fmt.Errorf("%w: %w", index.ErrNotFound, err)
	}
	r, err := scanRow(q.QueryRow(ctx, "SELECT "+rowColumns+" FROM collection WHERE name = $1 AND generation > 0", collection))
	if noRows(err) || hasCode(err, undefinedTable, undefinedSchema) {
		return row{}, fmt.Errorf("collection %q: %w", collection, index.ErrNotFound)
	}
	if err != nil {
		return row{}, fmt.Errorf("open collection %q: %w", collection, err)
	}
	return r, nil
}

// manifest tells a row as the index on disk would.
func (r row) manifest() index.Manifest {
	m := index.Manifest{
		Format: index.Format, Generation: r.generation, Space: r.space, Dims: r.dims, Splitter: r.splitter,
		Vector: "pgvector-exact", Keyword: r.keyword, Documents: r.documents, Chunks: r.chunks,
	}
	if r.hnsw {
		m.Vector = "pgvector-hnsw"
	}
	if r.size > 0 {
		m.Files = []index.File{{Name: "tables", Size: r.size}}
	}
	return m
}

// in writes the number of a store into SQL: "document_#" is a table's name.
func in(store int, sql string) string {
	return strings.ReplaceAll(sql, "_#", fmt.Sprintf("_%d", store))
}

// storeTables are the tables of a store. Vectors are stored outside TOAST as
// long as a page has room for them, or comparing all of them would look each up.
func storeTables(dims int) string {
	kind, storage := "vector", ""
	if dims > 0 {
		kind = fmt.Sprintf("vector(%d)", dims)
		if dims <= 1500 {
			storage = "ALTER TABLE chunk_# ALTER COLUMN embedding SET STORAGE PLAIN;"
		}
	}
	return `
		CREATE TABLE document_# (
			row int PRIMARY KEY, id text COLLATE "C" NOT NULL, url text NOT NULL, title text NOT NULL,
			meta jsonb, marks jsonb, source text NOT NULL, hash bytea NOT NULL, chunks int NOT NULL, born int NOT NULL);
		CREATE INDEX document_#_id ON document_# (id);
		CREATE TABLE chunk_# (
			row int PRIMARY KEY, doc int NOT NULL, ordinal int NOT NULL, from_char int NOT NULL, to_char int NOT NULL,
			key bytea NOT NULL, meta jsonb, text text NOT NULL, words int NOT NULL, born int NOT NULL, embedding ` + kind + ` NOT NULL);
		CREATE INDEX chunk_#_doc ON chunk_# (doc);
		CREATE INDEX chunk_#_key ON chunk_# USING hash (key);
		CREATE TABLE posting_# (term text COLLATE "C" NOT NULL, born int NOT NULL, chunks int NOT NULL, list bytea NOT NULL);
		CREATE INDEX posting_#_term ON posting_# (term);
		ALTER TABLE chunk_# ALTER COLUMN embedding SET STATISTICS 0, ALTER COLUMN text SET STATISTICS 0;
		ALTER TABLE posting_# ALTER COLUMN list SET STATISTICS 0;` + storage
}

const dropStore = "DROP TABLE IF EXISTS document_#, chunk_#, posting_#"

// mostHNSW is how many dimensions a graph of halfvec takes.
const mostHNSW = 4000

func graphIndex(dims int) string {
	return fmt.Sprintf("CREATE INDEX chunk_#_graph ON chunk_# USING hnsw ((embedding::halfvec(%d)) halfvec_ip_ops)", dims)
}

// lockKey names a lock of PostgreSQL for a collection of a schema.
func lockKey(schema, collection string) int64 {
	sum := sha256.Sum256([]byte("ragproxy/" + schema + "/" + collection))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// plain is a text as PostgreSQL takes it: without the character 0.
func plain(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }
