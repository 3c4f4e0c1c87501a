package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/remote"
)

// readNearest reads the hits of the vector leg.
func readNearest(x *exchange) (hits []index.Hit, err error) {
	rows, err := x.rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h index.Hit
		if err := scanHit(rows, &h, &h.Score); err != nil {
			return nil, err
		}
		hits = append(hits, h)
	}
	return hits, rows.Err()
}

// readPicked reads the hits of the keyword leg with their scores, and once more
// with their cosines where these were asked for.
func readPicked(x *exchange, best []index.Match) (hits, cosines []index.Hit, err error) {
	rows, err := x.rows()
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h index.Hit
		var n int
		var cosine *float64
		if err := scanHit(rows, &h, &n, &cosine); err != nil {
			return nil, nil, err
		}
		h.Score = best[n-1].Score
		hits = append(hits, h)
		if cosine != nil {
			h.Score = *cosine
			cosines = append(cosines, h)
		}
	}
	return hits, cosines, rows.Err()
}

// scanHit reads the columns of a hit behind others.
func scanHit(rows pgx.Rows, h *index.Hit, before ...any) error {
	var meta *string
	c := &h.Chunk
	err := rows.Scan(append(before, &c.DocumentID, &c.URL, &c.Title, &c.Text, &c.Ordinal, &c.Start, &c.End, &meta)...)
	if err != nil {
		return err
	}
	c.ID = index.ChunkID(c.DocumentID, c.Ordinal)
	c.Meta, err = readMeta(meta)
	return err
}

func readMeta(text *string) (map[string]any, error) {
	if text == nil {
		return nil, nil
	}
	return remote.ReadMeta(*text)
}
