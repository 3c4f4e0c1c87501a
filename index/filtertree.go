package index

// Filter is a node of parsed filters, for engines that push them down. It says
// the same as [CheckFilters].
type Filter struct {
	// Op is and, or (of Parts), in, nin (Key has one, or none, of Values), gt,
	// gte, lt, lte (of Key and the only one of Values).
	Op     string
	Key    string
	Values []FilterValue
	Parts  []Filter
}

// FilterValue is a JSON value that is compared.
type FilterValue struct {
	Number bool
	IsText bool
	// Text is the string itself where IsText, else compact JSON.
	Text string
}

// ParseFilters reads filters; nil if there are none.
func ParseFilters(filters map[string]any) (*Filter, error) {
	f, err := parseFilters(filters)
	if f == nil || err != nil {
		return nil, err
	}
	tree := f.tree()
	return &tree, nil
}

func (c compound) tree() Filter {
	out := Filter{Op: "and"}
	if c.or {
		out.Op = "or"
	}
	for _, p := range c.parts {
		out.Parts = append(out.Parts, p.tree())
	}
	return out
}

func (o oneOf) tree() Filter {
	out := Filter{Op: "in", Key: o.key}
	if o.not {
		out.Op = "nin"
	}
	for _, v := range o.values {
		out.Values = append(out.Values, v.public())
	}
	return out
}

func (o order) tree() Filter {
	return Filter{Op: o.kind, Key: o.key, Values: []FilterValue{o.than.public()}}
}

func (v value) public() FilterValue {
	return FilterValue{Number: v.number != nil, IsText: v.isText, Text: v.text}
}

// ToFilterValue gives a metadata value as filters compare it, for engines that
// index them. The error is for one that cannot be written as JSON.
func ToFilterValue(v any) (FilterValue, error) {
	got, err := toValue(v)
	return got.public(), err
}
