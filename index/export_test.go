package index

import "bytes"

// SealManifest makes the checksum of a manifest right again.
func SealManifest(b []byte) []byte {
	return sealManifest(b[:bytes.LastIndex(b, []byte(sumKey))])
}

// RealFS is what an index uses that is given no other.
func RealFS() FS { return osFS{} }
