package load

import (
	"strconv"
	"strings"
)

// look is what matters of how an element looks. A child takes it over.
type look struct {
	gone   bool   // for the children too, whatever they say
	unseen bool   // visibility: children can end it
	tiny   bool   // font size: children can set their own
	color  string // six hex digits; "" is not known
	back   string // background
	clear  bool   // the text is transparent
}

func (l look) hides() bool {
	return l.gone || l.unseen || l.tiny || l.clear || l.color != "" && l.back != "" && near(l.color, l.back)
}

// with is the look of an element in one of look l.
func (l look) with(e element, r rules, shown bool) look {
	d := declarations{}
	for _, rule := range r.of(e) {
		d.merge(rule)
	}
	if e.color != "" {
		d.set("color", e.color, false)
	}
	if e.bgcolor != "" {
		d.set("background-color", e.bgcolor, false)
	}
	d.read(e.style)
	if (e.class != "" || e.id != "") && !l.hides() {
		l.back = "" // another file's rule may paint it
	}
	l.gone = l.gone || !shown && e.hidden && d["display"].value == ""
	return l.of(d, shown)
}

// of is the look with declarations.
func (l look) of(d declarations, shown bool) look {
	if len(d) == 0 {
		return l
	}
	l.paint(d)
	if !shown {
		l.gone = l.gone || d.gone()
		if v := d["visibility"].value; v != "" && v != "inherit" {
			l.unseen = v == "hidden" || v == "collapse"
		}
		if size := d.fontSize(); size != "" {
			l.tiny = isTiny(size)
		}
	}
	return l
}

// paint takes over colours.
func (l *look) paint(d declarations) {
	if v := d["color"].value; v != "" && v != "inherit" {
		l.color, l.clear = colour(v), transparent(v)
	}
	if d["background-clip"].value == "text" || d["-webkit-background-clip"].value == "text" {
		l.clear, l.back = false, "" // letters filled with a picture
	}
	if v := d["background"].value; v != "" {
		l.back = ""
		for field := range strings.FieldsSeq(v) {
			if c := colour(field); c != "" && !strings.Contains(v, "(") {
				l.back = c
			}
		}
		if c := colour(v); c != "" {
			l.back = c
		}
	}
	if v := d["background-color"].value; v != "" && !transparent(v) {
		l.back = colour(v)
	}
	if v := d["background-image"].value; v != "" && v != "none" {
		l.back = ""
	}
}

// gone says whether declarations leave nothing of an element to be seen.
func (d declarations) gone() bool {
	is := func(property string, values ...string) bool {
		for _, v := range values {
			if d[property].value == v {
				return true
			}
		}
		return false
	}
	switch {
	case is("display", "none"), is("content-visibility", "hidden"):
		return true
	case zero(d["opacity"].value, .05), strings.HasPrefix(d["filter"].value, "opacity(") && zero(inside(d["filter"].value), .05):
		return true
	case clipped(d["clip"].value), clippedPath(d["clip-path"].value):
		return true
	case offScreen(d["text-indent"].value), offScreen(d["margin-left"].value), offScreen(d["margin-top"].value), scaledAway(d["transform"].value):
		return true
	case is("position", "absolute", "fixed", "relative") && (offScreen(d["left"].value) || offScreen(d["top"].value) || offScreen(d["right"].value) || offScreen(d["bottom"].value)):
		return true
	}
	for _, overflow := range []string{"overflow", "overflow-x", "overflow-y"} {
		if !is(overflow, "hidden", "clip") {
			continue
		}
		for _, size := range []string{"width", "height", "max-width", "max-height"} {
			if v := d[size].value; v != "" && pixels(v) >= 0 && pixels(v) <= 1 && !strings.HasSuffix(v, "%") {
				return true
			}
		}
	}
	return false
}

// fontSize is the last word of font-size or font; "" for none.
func (d declarations) fontSize() string {
	size, short := d["font-size"], d["font"]
	if size.value != "" && (size.order > short.order || short.value == "") {
		return size.value
	}
	for field := range strings.FieldsSeq(short.value) {
		field, _, _ = strings.Cut(field, "/")
		if strings.ContainsAny(field[:min(1, len(field))], "0123456789.") && strings.TrimLeft(field, "0123456789.") != "" || field == "0" {
			return field
		}
	}
	return ""
}

// isTiny: less than three pixels, or a fifth of what is around.
func isTiny(v string) bool {
	n := pixels(v)
	if strings.HasSuffix(v, "%") {
		return n >= 0 && n < 20
	}
	return n >= 0 && n < 3
}

// pixels is a length; -1 for what is none. An em is 16, a hundredth of the
// window 10, a percent 1.
func pixels(v string) float64 {
	number := strings.TrimRight(v, "abcdefghijklmnopqrstuvwxyz%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || number == "" {
		return -1
	}
	switch v[len(number):] {
	case "em", "rem":
		return n * 16
	case "ch", "ex":
		return n * 8
	case "pt":
		return n * 4 / 3
	case "cm":
		return n * 38
	case "mm":
		return n * 3.8
	case "in":
		return n * 96
	case "pc":
		return n * 16
	case "vw", "vh", "vmin", "vmax":
		return n * 20
	}
	return n
}

// offScreen: no screen is as large. What is moved by less may be the part of
// something that slides.
func offScreen(v string) bool { return !strings.HasSuffix(v, "%") && pixels(v) <= -1999 }

func zero(v string, limit float64) bool {
	number, percent := strings.CutSuffix(v, "%")
	n, err := strconv.ParseFloat(number, 64)
	if percent {
		n /= 100
	}
	return err == nil && n <= limit
}

// inside is what stands in the first brackets.
func inside(v string) string {
	_, v, _ = strings.Cut(v, "(")
	v, _, _ = strings.Cut(v, ")")
	return strings.TrimSpace(v)
}

// fields are the parts of what stands in the first brackets.
func fields(v string) []string {
	return strings.FieldsFunc(inside(v), func(r rune) bool { return r == ',' || r == ' ' })
}

// clipped: rect(top, right, bottom, left) with nothing in it.
func clipped(v string) bool {
	if !strings.HasPrefix(v, "rect(") {
		return false
	}
	var n [4]float64
	f := fields(v)
	if len(f) != 4 {
		return false
	}
	for i, s := range f {
		if s == "auto" {
			return false
		}
		n[i] = pixels(s)
	}
	return n[1]-n[3] <= 1 || n[2]-n[0] <= 1
}

func clippedPath(v string) bool {
	switch name, _, _ := strings.Cut(v, "("); name {
	case "inset":
		f := fields(v)
		return len(f) > 0 && strings.HasSuffix(f[0], "%") && pixels(f[0]) >= 50
	case "circle", "ellipse":
		f := fields(v)
		return len(f) > 0 && pixels(f[0]) == 0
	case "polygon":
		f := fields(v)
		for _, p := range f {
			if pixels(p) != 0 {
				return false
			}
		}
		return len(f) > 0
	}
	return false
}

func scaledAway(v string) bool {
	for _, scale := range []string{"scale(", "scalex(", "scaley(", "scale3d("} {
		if i := strings.Index(v, scale); i >= 0 {
			if f := fields(v[i:]); len(f) > 0 && zero(f[0], .01) {
				return true
			}
		}
	}
	if i := strings.Index(v, "translate"); i >= 0 {
		for _, f := range fields(v[i:]) {
			if offScreen(f) {
				return true
			}
		}
	}
	return false
}

func transparent(v string) bool {
	f := fields(v)
	return v == "transparent" || (strings.HasPrefix(v, "rgb") || strings.HasPrefix(v, "hsl")) && len(f) >= 4 && zero(f[len(f)-1], .05)
}

// colour is a CSS colour as six hex digits; "" for one that is not known.
func colour(v string) string {
	if hex, ok := strings.CutPrefix(v, "#"); ok {
		v = hex
	} else if name := named(v); name != "" {
		return name
	} else if strings.HasPrefix(v, "rgb") {
		return rgb(fields(v))
	}
	if strings.Trim(v, "0123456789abcdef") != "" { // bgcolor=ffffff is one, too
		return ""
	}
	switch len(v) {
	case 3, 4:
		return string([]byte{v[0], v[0], v[1], v[1], v[2], v[2]})
	case 6, 8:
		return v[:6]
	}
	return ""
}

func rgb(f []string) string {
	if len(f) < 3 {
		return ""
	}
	out := ""
	for _, s := range f[:3] {
		number, percent := strings.CutSuffix(s, "%")
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return ""
		}
		if percent {
			n *= 2.55
		}
		hex := strconv.FormatInt(int64(max(0, min(255, n+.5))), 16)
		out += ("0" + hex)[len(hex)-1:]
	}
	return out
}

// named: the colours that pages are painted with most.
func named(v string) string {
	switch v {
	case "white":
		return "ffffff"
	case "black":
		return "000000"
	case "red":
		return "ff0000"
	case "green":
		return "008000"
	case "blue":
		return "0000ff"
	case "yellow":
		return "ffff00"
	case "gray", "grey":
		return "808080"
	case "silver":
		return "c0c0c0"
	case "navy":
		return "000080"
	case "orange":
		return "ffa500"
	case "purple":
		return "800080"
	case "whitesmoke":
		return "f5f5f5"
	case "snow":
		return "fffafa"
	case "ivory":
		return "fffff0"
	}
	return ""
}

// near says whether nobody can tell two colours apart.
func near(a, b string) bool {
	for i := 0; i < 6; i += 2 {
		x, _ := strconv.ParseInt(a[i:i+2], 16, 32)
		y, _ := strconv.ParseInt(b[i:i+2], 16, 32)
		if x-y > 6 || y-x > 6 {
			return false
		}
	}
	return true
}
