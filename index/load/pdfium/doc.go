// Package pdfium reads the text of PDF files with PDFium, which runs as
// WebAssembly: no cgo, and a hostile file can do no more than use up the memory
// and the time that it is given.
//
//	engine, err := pdfium.New(ctx, pdfium.Options{})
//	defer engine.Close(ctx)
//	info, err := engine.Read(ctx, file, func(n int, text string) bool { ... })
//
// README.md says where pdfium.wasm is from; module.go runs it, read.go asks it
// for a file's pages.
package pdfium
