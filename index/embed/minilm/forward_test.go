package minilm

import "testing"

func TestReadModelRefusesWrongSize(t *testing.T) {
	for name, file := range map[string]string{
		"empty": "", "cut": weightsFile[:len(weightsFile)-1], "too long": weightsFile + "x",
	} {
		if _, err := readModel(file); err == nil {
			t.Errorf("%s file: got no error, want one", name)
		}
	}
}

func TestFloat16(t *testing.T) {
	for _, test := range []struct {
		bits uint16
		want float32
	}{
		{0x0000, 0}, {0x0001, 0x1p-24}, {0x03ff, 0x3ffp-24}, {0x0400, 0x1p-14}, {0x3c00, 1}, {0x3555, 0x555p-12}, {0x7bff, 65504},
	} {
		if got := float16(test.bits); got != test.want {
			t.Errorf("float16(%#04x): got %g, want %g", test.bits, got, test.want)
		}
	}
}
