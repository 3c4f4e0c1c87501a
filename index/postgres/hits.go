package postgres

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index"
)

// readLeg reads hits, and those with a score of the other leg with that one.
func readLeg(answers pgx.BatchResults) (leg index.Leg, other []index.Hit, err error) {
	rows, err := answers.Query()
	if err != nil {
		return leg, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h index.Hit
		var cosine, ceiling *float64
		var meta *string
		c := &h.Chunk
		if err := rows.Scan(&h.Score, &cosine, &ceiling, &c.DocumentID, &c.URL, &c.Title, &c.Text, &c.Ordinal, &c.Start, &c.End, &meta); err != nil {
			return leg, nil, err
		}
		c.ID = fmt.Sprintf("%s#chunk-%d", c.DocumentID, c.Ordinal)
		if c.Meta, err = readMeta(meta); err != nil {
			return leg, nil, err
		}
		leg.Hits = append(leg.Hits, h)
		if ceiling != nil {
			leg.Ceiling = *ceiling
		}
		if cosine != nil {
			h.Score = *cosine
			other = append(other, h)
		}
	}
	return leg, other, rows.Err()
}

// others are the hits that are not among the found ones, best first.
func others(found, other []index.Hit) []index.Hit {
	known := make(map[string]bool, len(found))
	for _, h := range found {
		known[h.Chunk.ID] = true
	}
	other = slices.DeleteFunc(other, func(h index.Hit) bool { return known[h.Chunk.ID] })
	slices.SortStableFunc(other, func(a, b index.Hit) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	return other
}

func readMeta(text *string) (map[string]any, error) {
	if text == nil {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(*text))
	dec.UseNumber() // metadata keeps its big integers
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	return m, nil
}
